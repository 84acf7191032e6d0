"""Carrying a rehearsal out: the plan, its caps and what comes of it, in a private world."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from msgspec.structs import replace

from worker.cli.context import find_campaign, opened_store, pace_of
from worker.cli.exits import ExitCode, exit_of
from worker.cli.follow import LineView, LiveView, watch
from worker.cli.private_world import LOOK_S, START_S, World, running_world
from worker.cli.talk import console_for_talk
from worker.errors import Held
from worker.intake import Checked, Input
from worker.intake.campaign import CampaignFile
from worker.intake.producer import Order, announce
from worker.model import CampaignState, Policy, Run
from worker.planning import Planned, order_of, plan_campaign, plan_edits
from worker.rehearsal import Copied, Source, at_once, in_earnest, pace_of_run, rehearsed
from worker.report import Snapshot
from worker.report.plan import PlanView, totals_of, view_of
from worker.settings import Settings
from worker.store import Store
from worker.sweep import CLOCK

#: whose deeds these are, in the private audit
ITSELF = "calpatch rehearse"
#: seconds for the simulator to read the copy
LOADING_S = 300.0
#: the copy, in the private world's folder, until the simulator has read it
COPY = "copy.jsonl"
#: beside it: the settings of the private world, for whoever looks into it
ENV = ".env"
#: one is quick enough: nothing is limited
WORKERS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is rehearsed, and on what: either a campaign or checked edits."""

    given: Input
    campaign: CampaignFile | None
    checked: Checked | None
    policy: Policy
    copied: Copied
    sources: tuple[Source, ...] = ()
    #: why nothing is sent now, if somebody has stopped everything
    frozen: str = ""

    @property
    def run(self) -> Run:
        """How the real run would be carried out."""
        return self.campaign.run if self.campaign else Run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a rehearsal; `held` says why nothing was sent."""

    act: Act
    store: Store
    planned: Planned
    plan: PlanView
    look: Snapshot
    in_earnest: tuple[str, ...]
    held: str = ""

    @property
    def code(self) -> ExitCode:
        """What a real run would end with."""
        if self.held:
            return ExitCode.HELD
        return ExitCode.OK if self._has_nothing else exit_of(self.look)

    @property
    def _has_nothing(self) -> bool:
        waits = self.look.campaign.state is CampaignState.AWAITING_APPROVAL
        return waits and not self.plan.changes


@contextmanager
def carry_out(settings: Settings, act: Act, folder: Path) -> Iterator[Done]:
    """Plan and run; gives what came of it while its database is there.

    `settings` are those of the real run: what it would cost is told by them.
    """
    copy = folder / COPY
    simulate = ["--accounts", "0", "--events", "0", "--rate", "off", "--no-control"]
    simulate += ["--world", str(copy), "--behaviour", "lag_s=0.05"]
    simulate += [f"omitted_location={settings.omitted_fields}"]
    with running_world(
        folder, simulate=simulate, settings=_private(settings), workers=WORKERS, within_s=LOADING_S
    ) as world:
        copy.unlink()
        _write_settings(folder / ENV, world.environ)
        with opened_store(world.settings) as store:
            for sub, (status, reason) in act.copied.unread.items():
                store.accounts.set_status(sub, status, reason=reason, actor=ITSELF)
            _await_life(world, store)
            yield _Run(settings, act, world, store).whole()


def _await_life(world: World, store: Store) -> None:
    """Wait for worker and clock, as long as it is worth it; what waits for them is told."""
    for _ in range(int(START_S / LOOK_S)):
        world.check()
        parts = {name.partition(":")[0] for name in store.queue.pulses()}
        if {"worker", CLOCK} <= parts:
            return
        Event().wait(LOOK_S)


def _write_settings(path: Path, environ: Mapping[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in environ.items()))


def _private(settings: Settings) -> Mapping[str, str]:
    """Return the private world's settings: quick, and otherwise as the real ones."""
    return {
        "CALPATCH_RATE": "unlimited",
        "CALPATCH_SHARE": "100%",
        "CALPATCH_BATCH_COUNTS_AS": "one",
        "CALPATCH_BATCH_SIZE": str(settings.batch_size),
        "CALPATCH_CHUNK_SIZE": str(settings.chunk_size),
        "CALPATCH_OMITTED_FIELDS": settings.omitted_fields,
        "CALPATCH_SWEEP_EVERY": "250ms",
        "CALPATCH_VERIFY_DELAY": "200ms",
        "CALPATCH_SETTLE": "1s",
        "CALPATCH_SHUTDOWN_GRACE": "1s",
        "CALPATCH_LOG_LEVEL": "WARNING",
    }


class _Run:
    """One rehearsal's way through the private world."""

    def __init__(self, settings: Settings, act: Act, world: World, store: Store) -> None:
        self._settings = settings
        self._act = act
        self._world = world
        self._store = store

    def whole(self) -> Done:
        """Plan, begin unless a cap forbids it, and see it to its end."""
        planned = self._planned()
        campaign_id = planned.submitted.campaign.id
        look = self._watched(campaign_id, leaving=CampaignState.PLANNING)
        plan, held = self._plan(campaign_id), ""
        if plan.changes and look.campaign.state is CampaignState.AWAITING_APPROVAL:
            held = self._begun(campaign_id)
            if not held:
                look = self._watched(campaign_id)
        told = in_earnest(
            self._act.run,
            tells=bool(self._act.campaign and self._act.campaign.notify),
            changes=plan.changes,
            frozen=self._act.frozen,
            now=datetime.now(UTC),
        )
        return Done(
            act=self._act, store=self._store, planned=planned, plan=plan, look=look,
            in_earnest=tuple(told), held=held,
        )  # fmt: skip

    def _planned(self) -> Planned:
        """Have the plan made. Raises Held when nothing was selected."""
        act, settings, store = self._act, self._world.settings, self._store
        if act.campaign is not None:
            campaign = rehearsed(act.campaign)
            order = order_of(campaign, owner=ITSELF)
            return plan_campaign(settings, store, campaign, order, source=act.given.name)
        if act.checked is None:
            raise ValueError("neither a campaign nor edits")
        order = Order(
            key="rehearsal", reason="Rehearsal", owner=ITSELF, policy=act.policy,
            is_planned=True, kind="planned",
        )  # fmt: skip
        return plan_edits(settings, store, act.given, act.checked, order)

    def _plan(self, campaign_id: str) -> PlanView:
        """Return the plan's figures, with what it would cost in earnest."""
        campaign = find_campaign(self._store, campaign_id)
        view = view_of(
            self._store,
            campaign,
            totals_of(self._store, campaign),
            pace=pace_of_run(pace_of(self._settings), self._act.run),
            chunk_size=self._settings.chunk_size,
        )
        # Nobody can approve it: it is gone with the private world.
        return replace(view, plan="", planned_at=None, expires_at=None)

    def _begun(self, campaign_id: str) -> str:
        """Begin it; returns why not, when a cap is exceeded."""
        try:
            self._store.plans.begin(
                campaign_id, actor=ITSELF, reason="Rehearsal", run=at_once(self._act.run)
            )
        except Held as held:
            return held.message
        announce(self._world.settings, self._store)
        return ""

    def _watched(self, campaign_id: str, *, leaving: CampaignState | None = None) -> Snapshot:
        """Show a campaign until it ends, is held, or leaves a state."""
        console = console_for_talk()

        def is_over(look: Snapshot) -> bool:
            state = look.campaign.state
            has_left = leaving is not None and state is not leaving
            return has_left or state is CampaignState.PAUSED

        # Its last picture would name commands for a campaign that is gone in a moment.
        shown = LiveView(console, stays=False) if console.is_terminal else LineView()
        with shown as view:
            return asyncio.run(
                watch(
                    self._world.settings,
                    self._store,
                    campaign_id,
                    view=view,
                    check=self._world.check,
                    is_over=is_over,
                )
            )
