"""A campaign at one moment: everything that status, live picture and exit code are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from worker.limits import LimiterState
from worker.model import ENDED, FINAL, AccountStatus, CampaignState, Code, EditState
from worker.report.around import Around, look_around
from worker.report.pace import Pace
from worker.rules import Progress
from worker.rules.breaker import ELSEWHERE
from worker.store import OUTAGE, CallRow, Campaign, Store

__all__ = ["MOVING", "QUIET_S", "Blocked", "Pace", "Snapshot", "outages_in", "take_snapshot"]

_S = CampaignState
#: states in which calls are made for a campaign, so that there is a time to go
MOVING = frozenset({_S.PLANNING, _S.RUNNING, _S.VERIFYING, _S.CANCELLING})

#: seconds without a sign of life after which a part is taken for gone
QUIET_S = 30.0
#: seconds after an outage's next try without news of it, after which it is taken for over: those
#: that come back for the try, and the try itself, take no longer
STALE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """An account of the campaign that cannot be used now; `retry_in_s` None means not by itself."""

    sub: str
    status: AccountStatus
    reason: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a campaign; `due_s` is None when no chunk waits for a time, ages are seconds."""

    at: datetime
    campaign: Campaign
    counts: Mapping[tuple[EditState, str], int]
    calls: tuple[CallRow, ...]
    calls_left: int | None
    running_chunks: int
    due_s: float | None
    pulses: Mapping[str, float]
    pace: Pace
    #: None when Redis could not be asked; `limiter_fault` says why then
    limiter: LimiterState | None = None
    limiter_fault: str = ""
    blocked: tuple[Blocked, ...] = ()
    #: data centers of the campaign that do not answer, with the seconds until they are asked again
    outages: Mapping[str, float] = field(default_factory=dict)
    around: Around = field(default_factory=Around)

    @property
    def by_state(self) -> dict[EditState, int]:
        """Edits by state."""
        found: Counter[EditState] = Counter()
        for (state, _), count in self.counts.items():
            found[state] += count
        return dict(found)

    @property
    def by_code(self) -> dict[str, int]:
        """Final edits by code, most first; an outcome without a code counts under its state."""
        found: Counter[str] = Counter()
        for (state, code), count in self.counts.items():
            if state in FINAL:
                found[code or str(state)] += count
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    @property
    def has_ended(self) -> bool:
        return self.campaign.state in ENDED

    @property
    def errors(self) -> int:
        """Edits to look at: failed, mismatch, conflict, unverified without having asked for it."""
        bad = {EditState.FAILED, EditState.MISMATCH, EditState.CONFLICT, EditState.UNVERIFIED}
        return sum(
            count
            for (state, code), count in self.counts.items()
            if state in bad and code != Code.NO_PROOF_ASKED
        )

    @property
    def proven_first(self) -> int:
        """Edits of a canary that are proven, as long as others wait for it."""
        return min(self.campaign.run.canary, self.by_state.get(EditState.VERIFIED, 0))

    @property
    def failures(self) -> int:
        """Edits that count as failures when a campaign is held for them."""
        return sum(self.by_state.get(state, 0) for state in (EditState.FAILED, EditState.MISMATCH))

    @property
    def attempted(self) -> int:
        """Final edits that were tried, whatever came of it."""
        idle = {EditState.SKIPPED, EditState.UNCHANGED, EditState.NOT_ATTEMPTED}
        return sum(n for state, n in self.by_state.items() if state in FINAL and state not in idle)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first claim to the end, or until now; 0 before the first claim."""
        began = self.campaign.started_at
        return ((self.campaign.finished_at or self.at) - began).total_seconds() if began else 0.0

    @property
    def rate_per_min(self) -> float | None:
        """Edits that ended a minute, over the whole run; None before there is any sense in it."""
        if self.elapsed_s < 1:
            return None
        return round(60 * self.progress().done / self.elapsed_s, 1)

    def progress(self, *, why: str = "") -> Progress:
        """Return the counts as the rules know them, with what the limit leaves of them to do."""
        return Progress(
            counts=self.by_state,
            total=self.campaign.total,
            planned=self.around.planned,
            calls_remaining=0 if self.has_ended else self.calls_left,
            granted_per_min=self.pace.within(self.campaign.run).granted_per_min,
            used_per_min=_used_per_min(self.limiter),
            limit_per_min=self.pace.granted_per_min,
            state=str(self.campaign.state),
            why=why,
        )

    @property
    def eta_s(self) -> float | None:
        """Seconds to go: the calls left at the granted rate, and never before what is due.

        None while it sends nothing: nobody knows for how long.
        """
        left = self.progress().eta_s
        if self.has_ended:
            return 0.0
        if left is None or self.campaign.state not in MOVING:
            return None
        return round(max(left, self.due_s or 0.0), 1)


def take_snapshot(
    store: Store,
    campaign_id: str,
    *,
    at: datetime,
    pace: Pace,
    limiter: LimiterState | None = None,
    limiter_fault: str = "",
) -> Snapshot | None:
    """Read a campaign's state from SQL; None when it does not exist.

    The campaign's row is read last: a state of "ended" is never older than the counts beside it.
    """
    counts, calls = _tallies(store, campaign_id)
    due_s, running = store.reading.waiting(campaign_id)
    campaign = store.campaigns.get(campaign_id)
    if campaign is None:
        return None
    if campaign.state in ENDED:
        counts, calls = _tallies(store, campaign_id)
    pulses = store.queue.pulses()
    waits = campaign.state not in ENDED and not running
    return Snapshot(
        at=at,
        campaign=campaign,
        counts=counts,
        calls=calls,
        calls_left=_calls_left(store, campaign, pace.within(campaign.run), counts),
        running_chunks=running,
        due_s=due_s,
        pulses=pulses,
        pace=pace,
        limiter=limiter,
        limiter_fault=limiter_fault,
        blocked=_blocked(store) if waits else (),
        outages=_outages_of(store, campaign, outages_in(pulses)),
        around=look_around(store, campaign),
    )


def _calls_left(
    store: Store,
    campaign: Campaign,
    pace: Pace,
    counts: Mapping[tuple[EditState, str], int],
) -> int:
    """Return the calls still to make, of what the campaign's state has it do."""
    is_proven = campaign.policy.verify != "none"
    if campaign.state is _S.PLANNING:
        return pace.reads_left(store.reading.open_work(campaign.id, of_held=False))
    work = store.reading.open_work(campaign.id)
    if campaign.state is _S.CANCELLING:
        return pace.proofs_left(work) if is_proven else 0
    return pace.calls_left(work, unsent=_unsent(counts), verify=is_proven)


def _tallies(
    store: Store, campaign_id: str
) -> tuple[dict[tuple[EditState, str], int], tuple[CallRow, ...]]:
    return store.reading.counts(campaign_id), tuple(store.reading.calls(campaign_id))


def outages_in(pulses: Mapping[str, float]) -> dict[str, float]:
    """Return the data centers that do not answer, with the seconds until they are asked again."""
    return {
        name.removeprefix(OUTAGE): max(0.0, -age)
        for name, age in sorted(pulses.items())
        if name.startswith(OUTAGE) and age < STALE_S
    }


def _outages_of(store: Store, campaign: Campaign, outages: Mapping[str, float]) -> dict[str, float]:
    if not outages or campaign.state in ENDED:
        return {}
    concerned = store.reading.data_centers(campaign.id) | {ELSEWHERE}
    return {name: wait_s for name, wait_s in outages.items() if name in concerned}


def _unsent(counts: Mapping[tuple[EditState, str], int]) -> int:
    waiting = {EditState.PENDING, EditState.SENDING}
    return sum(count for (state, _), count in counts.items() if state in waiting)


def _blocked(store: Store) -> tuple[Blocked, ...]:
    return tuple(
        Blocked(sub=each.sub, status=each.status, reason=each.reason, retry_in_s=each.retry_in_s)
        for each in store.accounts.all()
        if not each.usable
    )


def _used_per_min(limiter: LimiterState | None) -> float | None:
    """Return what the window nearest to a minute has used, as a rate."""
    if limiter is None or not limiter.windows:
        return None
    window = min(limiter.windows, key=lambda each: abs(each.seconds - 60))
    # What is reserved ahead of its time is not used yet.
    return 60 * min(window.used, window.granted) / window.seconds
