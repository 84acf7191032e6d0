"""Plans: who approves them, when they may begin, and how they end without having begun.

Approvals are entries of the audit, which nobody can change: what is approved is the plan's hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from worker.errors import Held, NotFound, WrongTransition
from worker.model import PLAN_EXPIRED, PLAN_REJECTED, CampaignState, Run
from worker.rules import check_campaign
from worker.store.chains import note_campaign
from worker.store.controls import refuse_frozen
from worker.store.database import Database
from worker.store.gates import (
    begin,
    exceeded,
    lacks_second,
    locked,
    planned_totals,
    release_held,
    set_run,
    set_state,
)
from worker.store.tables import UtcTime
from worker.store.values import Campaign, Note, PlanTotals

_S = CampaignState
T = TypeVar("T")

_APPROVED = "campaign.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved a plan, when and why."""

    actor: str
    at: datetime
    reason: str


class Plans:
    """The statements of planning and approving."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self, campaign_id: str) -> PlanTotals:
        """Return what a plan that has not begun comes to."""
        with self._database.read() as connection:
            return planned_totals(connection, campaign_id)

    def approvals(self, campaign: Campaign) -> list[Approval]:
        """Return who has approved a campaign's present plan, in the order in which they did."""
        with self._database.read() as connection:
            return _approvals(connection, campaign)

    def approve(self, campaign_id: str, *, actor: str, reason: str, plan: str = "") -> Campaign:
        """Approve a plan, which does not begin by it.

        `plan` is the hash that was looked at, or the beginning of it. Raises Held when the plan is
        another one, or has expired, and NotFound.
        """

        def work(connection: Connection, campaign: Campaign) -> Campaign:
            self._require_fresh(connection, campaign, plan=plan)
            detail: dict[str, object] = {"plan": campaign.plan_hash, "reason": reason}
            note = Note(actor=actor, action=_APPROVED, detail=detail)
            note_campaign(self._database, connection, notes=[note], campaign_id=campaign.id)
            return campaign

        return self._with(campaign_id, work)

    def begin(
        self, campaign_id: str, *, actor: str, reason: str, run: Run, plan: str = ""
    ) -> Campaign:
        """Begin what was planned, once: approved by whoever does it, and by somebody else if large.

        Raises Held, with nothing changed, for what `approve` does, a cap that is exceeded, a
        missing second person, and a freeze.
        """

        def work(connection: Connection, campaign: Campaign) -> Campaign:
            self._require_fresh(connection, campaign, plan=plan)
            refuse_frozen(connection)
            totals = planned_totals(connection, campaign.id)
            _require_caps(campaign, run, totals)
            self._require_second(connection, campaign, run, totals, actor=actor)
            set_run(connection, campaign.id, run)
            detail: dict[str, object] = {"plan": campaign.plan_hash, "reason": reason}
            note = Note(actor=actor, action=_APPROVED, detail=detail)
            note_campaign(self._database, connection, notes=[note], campaign_id=campaign.id)
            tuned = locked(connection, campaign.id)
            if tuned is None:  # pragma: no cover - its row is held
                raise WrongTransition("a campaign vanished while its row was held")
            begin(self._database, connection, campaign=tuned, actor=actor)
            return locked(connection, campaign.id) or tuned

        return self._with(campaign_id, work)

    def reject(self, campaign_id: str, *, actor: str, reason: str) -> bool:
        """End a plan that waits for approval; False when it does not wait any more."""

        def work(connection: Connection, campaign: Campaign) -> bool:
            if campaign.state not in {_S.PLANNING, _S.AWAITING_APPROVAL}:
                return False
            _stop(
                self._database, connection, campaign, why=f"{PLAN_REJECTED}: {reason}",
                note=Note(actor=actor, action="campaign.rejected", detail={"reason": reason}),
            )  # fmt: skip
            return True

        return self._with(campaign_id, work)

    def expire(self, campaign_id: str) -> bool:
        """End a plan that nobody has approved in time; False when somebody has."""

        def work(connection: Connection, campaign: Campaign) -> bool:
            if campaign.state is not _S.AWAITING_APPROVAL or not self._is_over(
                connection, campaign
            ):
                return False
            note = Note(actor="calpatch", action="campaign.expired")
            _stop(self._database, connection, campaign, why=PLAN_EXPIRED, note=note)
            return True

        return self._with(campaign_id, work)

    # ------------------------------------------------------------ what must hold

    def _require_fresh(self, connection: Connection, campaign: Campaign, *, plan: str) -> None:
        look = f"Look at it again: calpatch show {campaign.id}"
        if campaign.state is not _S.AWAITING_APPROVAL:
            step = f"See what became of it: calpatch status {campaign.id}"
            if campaign.state is _S.PLANNING:
                step = f"Wait for it: calpatch status {campaign.id} --watch"
            said = str(campaign.state).replace("_", " ")
            raise Held(
                f"Campaign {campaign.id} waits for no approval: it is {said}", next_step=step
            )
        if self._is_over(connection, campaign):
            raise Held(
                f"The plan of {campaign.id} has expired, since events change",
                next_step="Plan it again",
            )
        if not campaign.plan_hash.startswith(plan.removeprefix("sha256:")):
            raise Held(f"The plan of {campaign.id} is another one than {plan}", next_step=look)

    def _is_over(self, connection: Connection, campaign: Campaign) -> bool:
        return campaign.expires_at is not None and (
            self._database.now_in(connection) >= campaign.expires_at
        )

    def _require_second(
        self,
        connection: Connection,
        campaign: Campaign,
        run: Run,
        totals: PlanTotals,
        *,
        actor: str,
    ) -> None:
        why = lacks_second(run, totals)
        if not why:
            return
        people = {actor, *(each.actor for each in _approvals(connection, campaign))}
        if people <= {campaign.owner}:
            raise Held(
                why,
                next_step=f"Have somebody else run: calpatch approve {campaign.id} --reason TEXT",
            )

    def _with(self, campaign_id: str, work: Callable[[Connection, Campaign], T]) -> T:
        """Do work about a campaign whose row is held. Raises NotFound."""

        def held(connection: Connection) -> T:
            campaign = locked(connection, campaign_id)
            if campaign is None:
                raise NotFound(f"No campaign has the id {campaign_id}")
            return work(connection, campaign)

        return self._database.run(held)


def _require_caps(campaign: Campaign, run: Run, totals: PlanTotals) -> None:
    if why := exceeded(run, totals):
        raise Held(
            why,
            next_step=f"See calpatch show {campaign.id}; then raise the cap, or reject the plan",
        )


def _approvals(connection: Connection, campaign: Campaign) -> list[Approval]:
    sql = text(
        "SELECT actor, at, detail FROM audit WHERE chain = :id AND action = :action ORDER BY seq"
    ).columns(at=UtcTime())
    found = []
    for row in connection.execute(sql, {"id": campaign.id, "action": _APPROVED}):
        detail = msgspec.json.decode(row.detail)
        if detail["plan"] == campaign.plan_hash:
            found.append(Approval(actor=row.actor, at=row.at, reason=detail["reason"]))
    return found


def _stop(
    database: Database, connection: Connection, campaign: Campaign, *, why: str, note: Note
) -> None:
    """Have workers end what has had no turn, by name; the campaign ends with the last of them."""
    check_campaign(campaign.state, _S.CANCELLING)
    release_held(connection, campaign.id)
    set_state(connection, campaign, _S.CANCELLING, why=why)
    note_campaign(database, connection, notes=[note], campaign_id=campaign.id)
