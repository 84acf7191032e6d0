"""The status object that `--json` prints: at least what a person is shown (features §2, 8)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from msgspec import Struct

from worker.limits import LimiterState
from worker.report.around import Deed, Hold, stopped_by
from worker.report.facts import (
    Canary,
    Kin,
    PlanFacts,
    canary_facts,
    hold_facts,
    hours_facts,
    kin_of,
    plan_facts,
)
from worker.report.reasons import eta_s, next_step, why_it_waits
from worker.report.snapshot import Snapshot
from worker.report.terms import Hours, failures_that_hold, tuning_of
from worker.store import CallRow


class Counts(Struct, frozen=True, kw_only=True):
    """Edits: `by_status` adds up to `total` at any time, `by_code` to those that are final."""

    by_status: dict[str, int]
    by_code: dict[str, int]
    total: int
    done: int


class Calls(Struct, frozen=True, kw_only=True):
    """API calls made so far; under `by_status` "0" is a call without an answer."""

    by_route: dict[str, int]
    by_status: dict[str, int]
    total: int


class WindowUse(Struct, frozen=True, kw_only=True):
    """One window of the limit: the API's own, calpatch's share of it, what is used of it now.

    `reserved` are calls that have their slot, but may leave only later: used never exceeds granted.
    """

    seconds: float
    limit: int
    granted: int
    used: int
    reserved: int


class LimiterUse(Struct, frozen=True, kw_only=True):
    """The shared limit as it is now; `factor` is below 1 while refusals (429) slow calls down."""

    windows: tuple[WindowUse, ...]
    paused_for_s: float
    free_in_s: float
    factor: float


class Status(Struct, frozen=True, kw_only=True):
    """One campaign. `reason` is why it was submitted, `state_reason` why it is in its state now.

    `limiter` is None when Redis could not be asked, with `limiter_fault` saying why. Times are UTC.
    `percent` is of a plan's lines while it is made. `stopped` tells who ended it before its end,
    `parent` is the campaign that it undoes or tries again, `children` are those that do so to it.
    `job` is whose run it is, of the day `job_date`; "" and None for what is no run of a job.
    """

    campaign: str
    key: str
    kind: str
    state: str
    reason: str
    state_reason: str
    owner: str
    source: str
    lane: str
    counts: Counts
    percent: float
    planned: int | None
    plan: PlanFacts | None
    canary: Canary | None
    hold: Hold | None
    stopped: Deed | None
    hours: Hours | None
    tuning: dict[str, str]
    held_if: str
    parent: str | None
    job: str
    job_date: date | None
    children: tuple[Kin, ...]
    api_calls: Calls
    limiter: LimiterUse | None
    limiter_fault: str
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    eta_s: float | None
    rate_per_min: float | None
    next_step: str


def status_of(look: Snapshot) -> Status:
    """Return the status object of a snapshot."""
    campaign, progress, around = look.campaign, look.progress(), look.around
    return Status(
        campaign=campaign.id,
        key=campaign.key,
        kind=campaign.kind,
        state=str(campaign.state),
        reason=campaign.reason,
        state_reason=why_it_waits(look),
        owner=campaign.owner,
        source=campaign.source,
        lane=campaign.lane,
        counts=counts_of(look),
        percent=progress.percent,
        planned=around.planned,
        plan=plan_facts(look),
        canary=canary_facts(look),
        hold=hold_facts(look),
        stopped=stopped_by(around),
        hours=hours_facts(look),
        tuning=tuning_of(campaign.run),
        held_if=failures_that_hold(campaign.run.max_failures),
        parent=campaign.parent,
        job=campaign.job,
        job_date=campaign.job_date,
        children=tuple(map(kin_of, around.children)),
        api_calls=calls_of(look.calls),
        limiter=limiter_use(look.limiter) if look.limiter else None,
        limiter_fault=look.limiter_fault,
        submitted_at=campaign.submitted_at,
        started_at=campaign.started_at,
        finished_at=campaign.finished_at,
        eta_s=eta_s(look),
        rate_per_min=look.rate_per_min,
        next_step=next_step(look),
    )


def counts_of(look: Snapshot) -> Counts:
    """Return the edits' counts."""
    return Counts(
        by_status={str(state): count for state, count in sorted(look.by_state.items())},
        by_code=look.by_code,
        total=look.campaign.total,
        done=sum(look.by_code.values()),
    )


def calls_of(rows: tuple[CallRow, ...]) -> Calls:
    """Return the calls by route and by status."""
    routes: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for row in rows:
        routes[row.route] += row.calls
        statuses[str(row.status)] += row.calls
    return Calls(by_route=dict(routes), by_status=dict(statuses), total=routes.total())


def limiter_use(state: LimiterState) -> LimiterUse:
    """Return the limiter's state as it is shown."""
    windows = tuple(
        WindowUse(
            seconds=each.seconds,
            limit=each.limit,
            granted=each.granted,
            used=min(each.used, each.granted),
            reserved=max(0, each.used - each.granted),
        )
        for each in state.windows
    )
    return LimiterUse(
        windows=windows,
        paused_for_s=round(state.paused_for_s, 3),
        free_in_s=round(max(0.0, state.free_in_s), 3),
        factor=round(state.factor, 3),
    )
