"""Steering: pause, resume, cancel, tune, freeze; each with who and why, in the audit.

A campaign that must not send is in a state in which no worker of any version sends; why it is there
is its reason. Workers ask for the state at least once a second (`engine.ASK_EVERY_S`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, or_, select, text

from worker.errors import Held as HeldBack
from worker.errors import NotFound
from worker.model import ENDED, CampaignState, Run
from worker.rules import check_campaign
from worker.store import webhooks
from worker.store.chains import note_campaign, note_named
from worker.store.controls import Freeze, freeze_in, lift_freeze, refuse_frozen, set_freeze
from worker.store.database import Database
from worker.store.gates import (
    FROZEN,
    HELD,
    HELD_BY_CANARY,
    locked,
    release_held,
    set_run,
    set_state,
)
from worker.store.rows import campaign_of
from worker.store.tables import campaigns
from worker.store.values import Campaign, Note

_S = CampaignState
T = TypeVar("T")

#: The states that can be paused: all in which something may be sent.
PAUSABLE = frozenset({_S.RUNNING, _S.VERIFYING, _S.SCHEDULED})
#: The chain of what concerns everybody.
CHAIN = "controls"


class Steering:
    """The statements that steer campaigns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pause(self, campaign_id: str, *, actor: str, reason: str, code: str = "") -> bool:
        """Pause a campaign: nothing more leaves; False when it is paused already.

        With a code it is calpatch that holds it. One that a freeze has paused is a person's from
        then on, and does not go on when the freeze ends. Raises Held for one that cannot be paused.
        """

        def work(connection: Connection, campaign: Campaign) -> bool:
            is_frozen = campaign.state is _S.PAUSED and campaign.state_reason.startswith(FROZEN)
            if campaign.state is _S.PAUSED and (code or not is_frozen):
                return False
            if campaign.state not in PAUSABLE and not is_frozen:
                raise _not_now(campaign, "paused")
            action = "campaign.held" if code else "campaign.paused"
            why = f"{HELD}{reason}" if code else reason
            set_state(connection, campaign, _S.PAUSED, why=why)
            self._note(connection, campaign, actor, action, reason=reason, code=code)
            if code:
                webhooks.tell(
                    self._database, connection, campaign, webhooks.HELD, state=_S.PAUSED, why=why
                )
            return True

        return self._with(campaign_id, work)

    def resume(self, campaign_id: str, *, actor: str, reason: str, run: Run | None = None) -> bool:
        """Let a paused campaign go on; False when it does already.

        What a canary held back is let go as well: a person has decided. `run` says how it is
        carried out from now on. Raises Held while everything is frozen, and for a campaign that
        was not paused.
        """

        def work(connection: Connection, campaign: Campaign) -> bool:
            if campaign.state in PAUSABLE:
                return False
            if campaign.state is not _S.PAUSED:
                raise _not_now(campaign, "resumed")
            refuse_frozen(connection)
            self._go_on(connection, campaign, run=run or campaign.run)
            tuned = {"run": msgspec.to_builtins(run)} if run not in {None, campaign.run} else {}
            self._note(connection, campaign, actor, "campaign.resumed", reason=reason, **tuned)
            return True

        return self._with(campaign_id, work)

    def _go_on(self, connection: Connection, campaign: Campaign, *, run: Run) -> None:
        set_run(connection, campaign.id, run)
        if campaign.state_reason.startswith(HELD_BY_CANARY):
            release_held(connection, campaign.id)
        set_state(connection, campaign, _S.SCHEDULED if run.has_hours else _S.RUNNING)

    def cancel(self, campaign_id: str, *, actor: str, reason: str, why: str = "") -> bool:
        """Stop a campaign for good: what is on its way is seen home, the rest is not attempted.

        False when it is being stopped already. `why` is what edits without a turn are told by
        (`rules.stopped_code`). Raises Held for one that has ended.
        """

        def work(connection: Connection, campaign: Campaign) -> bool:
            if campaign.state is _S.CANCELLING:
                return False
            if campaign.state in ENDED:
                raise _not_now(campaign, "cancelled")
            check_campaign(campaign.state, _S.CANCELLING)
            release_held(connection, campaign.id)
            set_state(connection, campaign, _S.CANCELLING, why=why or reason)
            self._note(connection, campaign, actor, "campaign.cancelling", reason=reason)
            return True

        return self._with(campaign_id, work)

    def tune(self, campaign_id: str, *, actor: str, reason: str, run: Run) -> None:
        """Change how a campaign is carried out; workers follow at their next look.

        Raises Held for one that has ended.
        """

        def work(connection: Connection, campaign: Campaign) -> None:
            if campaign.state in ENDED:
                raise _not_now(campaign, "tuned")
            set_run(connection, campaign.id, run)
            told = msgspec.to_builtins(run)
            self._note(connection, campaign, actor, "campaign.tuned", reason=reason, run=told)

        self._with(campaign_id, work)

    def open_hours(self, campaign_id: str, *, is_open: bool, why: str = "") -> bool:
        """Let a campaign send in its hours, and wait outside of them; False: it does already."""
        was, state = (_S.SCHEDULED, _S.RUNNING) if is_open else (_S.RUNNING, _S.SCHEDULED)

        def work(connection: Connection, campaign: Campaign) -> bool:
            if campaign.state is not was:
                return False
            set_state(connection, campaign, state, why=why)
            action = "campaign.hours_began" if is_open else "campaign.hours_over"
            self._note(connection, campaign, "calpatch", action)
            return True

        return self._with(campaign_id, work)

    def timed(self) -> tuple[datetime | None, list[Campaign]]:
        """Return the campaigns that time may move: plans that wait, hours and deadlines.

        With the database's own time, None when there are none: one statement, asked every second.
        """
        states = [_S.AWAITING_APPROVAL, _S.SCHEDULED, _S.RUNNING, _S.PAUSED]
        waits = campaigns.c.state == _S.AWAITING_APPROVAL
        query = select(*campaigns.c, self._database.now().label("now")).where(
            campaigns.c.state.in_(states), or_(waits, campaigns.c.run != "{}")
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return (rows[0].now if rows else None), [campaign_of(row) for row in rows]

    # ------------------------------------------------------------ everybody

    def frozen(self) -> Freeze | None:
        """Return the freeze that is in force; None when there is none."""
        with self._database.read() as connection:
            return freeze_in(connection)

    def freeze(self, *, actor: str, reason: str) -> list[str]:
        """Pause all campaigns, and begin none; returns those that were paused by it."""

        def work(connection: Connection) -> list[str]:
            self._database.lock(connection, "submit")  # one that is being stored is not overlooked
            set_freeze(self._database, connection, actor=actor, reason=reason)
            paused = self._each(
                connection, PAUSABLE, _S.PAUSED, actor=actor, why=f"{FROZEN}{reason}",
                action="campaign.frozen",
            )  # fmt: skip
            self._note_all(
                connection, Note(actor=actor, action="frozen", detail={"reason": reason})
            )
            return paused

        return self._database.run(work)

    def unfreeze(self, *, actor: str, reason: str) -> list[str] | None:
        """Let go on what the freeze has paused, and nothing else; None when there was none."""

        def work(connection: Connection) -> list[str] | None:
            self._database.lock(connection, "submit")
            if not lift_freeze(connection):
                return None
            going = []
            for campaign in self._in(connection, {_S.PAUSED}):
                if campaign.state_reason.startswith(FROZEN):
                    self._go_on(connection, campaign, run=campaign.run)
                    self._note(connection, campaign, actor, "campaign.unfrozen", reason=reason)
                    going.append(campaign.id)
            note = Note(actor=actor, action="unfrozen", detail={"reason": reason})
            self._note_all(connection, note)
            return going

        return self._database.run(work)

    def _each(
        self,
        connection: Connection,
        states: frozenset[CampaignState],
        to: CampaignState,
        *,
        actor: str,
        why: str,
        action: str,
    ) -> list[str]:
        found = self._in(connection, states)
        for campaign in found:
            set_state(connection, campaign, to, why=why)
            self._note(connection, campaign, actor, action, reason=why)
        return [campaign.id for campaign in found]

    def _in(
        self, connection: Connection, states: set[CampaignState] | frozenset[CampaignState]
    ) -> list[Campaign]:
        """Return the campaigns in these states, their rows held."""
        listed = ", ".join(f"'{state}'" for state in sorted(states))
        ids = connection.execute(
            text(f"SELECT id FROM campaigns WHERE state IN ({listed}) ORDER BY id")
        ).scalars()
        held = [locked(connection, each) for each in ids.all()]
        return [each for each in held if each is not None and each.state in states]

    def _note_all(self, connection: Connection, note: Note) -> None:
        note_named(self._database, connection, notes=[note], chain=CHAIN)

    def _note(
        self,
        connection: Connection,
        campaign: Campaign,
        actor: str,
        action: str,
        *,
        code: str = "",
        **detail: object,
    ) -> None:
        note = Note(actor=actor, action=action, code=code, detail=detail)
        note_campaign(self._database, connection, notes=[note], campaign_id=campaign.id)

    def _with(self, campaign_id: str, work: Callable[[Connection, Campaign], T]) -> T:
        """Do work about a campaign whose row is held. Raises NotFound."""

        def held(connection: Connection) -> T:
            campaign = locked(connection, campaign_id)
            if campaign is None:
                raise NotFound(f"No campaign has the id {campaign_id}")
            return work(connection, campaign)

        return self._database.run(held)


def _not_now(campaign: Campaign, done: str) -> HeldBack:
    name, state = campaign.id, str(campaign.state).replace("_", " ")
    steps = {
        _S.PLANNING: f"It only reads; to end it: calpatch reject {name} --reason TEXT",
        _S.AWAITING_APPROVAL: f"It sends nothing before `calpatch apply {name} --reason TEXT`",
        _S.CANCELLING: f"Follow it: calpatch status {name} --watch",
    }
    return HeldBack(
        f"Campaign {name} cannot be {done}: it is {state}",
        next_step=steps.get(campaign.state, f"See what came of it: calpatch status {name}"),
    )
