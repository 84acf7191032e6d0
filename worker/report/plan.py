"""A plan in figures, as people look at it before they agree: how much would change, what not and
why, who is told of it by mail, what it costs. After it has run, what came of it.

Derived from the stored targets each time; nothing here reads a calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from worker.model import ENDED, CampaignState, EditState
from worker.report.cautions import CAUTION_HELP
from worker.report.results import message_of
from worker.report.snapshot import Pace
from worker.report.tally import Totals
from worker.rules import Load
from worker.store import Approval, Campaign, Store

#: a rate that Cronofy raises for a migration, in multiples of ours: what it would take is told
RAISED: Final = 10

#: States in which what is left to do has not begun.
BEFORE: Final = frozenset(
    {CampaignState.PLANNING, CampaignState.AWAITING_APPROVAL, CampaignState.SCHEDULED}
)


class Cost(Struct, frozen=True, kw_only=True):
    """Calls still to make for what has not been done; without a limit, rates and minutes are None.

    `made` are those that were made until now, reading for the plan included.
    """

    made: int
    calls: int
    per_minute: float | None
    minutes: float | None
    raised_per_minute: float | None
    raised_minutes: float | None


class PlanView(Struct, frozen=True, kw_only=True):
    """A whole plan in figures.

    `by_status` adds up to `total`, also of a campaign whose lines were pruned. `changes` are those
    that are still to be sent. `people` counts everybody once for each event, `externals` those of
    them who are of none of `internal_domains`; None where the campaign names no domains.
    `meanings` has a sentence for each code and each warning. Times are UTC.
    """

    campaign: str
    key: str
    kind: str
    parent: str | None
    reason: str
    owner: str
    source: str
    state: str
    state_reason: str
    plan: str
    submitted_at: datetime
    planned_at: datetime | None
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    pruned_at: datetime | None
    total: int
    changes: int
    by_status: dict[str, int]
    by_code: dict[str, int]
    people: int
    externals: int | None
    internal_domains: tuple[str, ...]
    warnings: dict[str, int]
    untold: int
    meanings: dict[str, str]
    cost: Cost
    second_person_above: int | None
    approvals: tuple[Approval, ...]


def totals_of(store: Store, campaign: Campaign) -> Totals:
    """Return what a campaign's edits come to, in one pass over them."""
    totals = Totals(policy=campaign.policy, at=planned_at(campaign))
    for outcome in store.reading.outcomes(campaign.id):
        totals.add(outcome)
    return totals


def planned_at(campaign: Campaign) -> datetime:
    """Return the moment for which a plan's warnings hold."""
    return campaign.planned_at or campaign.submitted_at


def view_of(
    store: Store, campaign: Campaign, totals: Totals, *, pace: Pace, chunk_size: int
) -> PlanView:
    """Return a plan in figures."""
    by_status, by_code = dict(totals.by_status), dict(totals.by_code)
    if campaign.pruned_at is not None:
        by_status, by_code = _pruned(store, campaign)
    warnings = dict(totals.warnings.most_common())
    policy = campaign.policy
    return PlanView(
        campaign=campaign.id,
        key=campaign.key,
        kind=campaign.kind,
        parent=campaign.parent,
        reason=campaign.reason,
        owner=campaign.owner,
        source=campaign.source,
        state=str(campaign.state),
        state_reason=campaign.state_reason,
        plan=f"sha256:{campaign.plan_hash}" if campaign.plan_hash else "",
        submitted_at=campaign.submitted_at,
        planned_at=campaign.planned_at,
        expires_at=campaign.expires_at,
        started_at=campaign.started_at,
        finished_at=campaign.finished_at,
        pruned_at=campaign.pruned_at,
        total=campaign.total,
        changes=by_status.get("change", 0),
        by_status=_ranked(by_status),
        by_code=_ranked(by_code),
        people=totals.people,
        externals=totals.externals if policy.internal_domains else None,
        internal_domains=policy.internal_domains,
        warnings=warnings,
        untold=totals.untold,
        meanings={code: message_of(code) for code in by_code if message_of(code)}
        | {name: CAUTION_HELP[name] for name in warnings},
        cost=cost_of(store, campaign, pace=pace, chunk_size=chunk_size),
        second_person_above=campaign.run.second_person_above,
        approvals=tuple(store.plans.approvals(campaign)) if campaign.plan_hash else (),
    )


def _pruned(store: Store, campaign: Campaign) -> tuple[dict[str, int], dict[str, int]]:
    """Return the counts of a campaign whose lines are gone, as the audit has them."""
    states: dict[str, int] = {}
    codes: dict[str, int] = {}
    for (state, code), count in store.reading.counts(campaign.id).items():
        states[str(state)] = states.get(str(state), 0) + count
        if code:
            codes[code] = codes.get(code, 0) + count
    return states, codes


#: In this order outcomes are told: what is to come, what is under way, then from good to bad.
_ORDER: Final = (
    "change",
    "waiting",
    *(
        str(state)
        for state in (
            EditState.SENDING,
            EditState.ACCEPTED,
            EditState.VERIFIED,
            EditState.UNCHANGED,
            EditState.SKIPPED,
            EditState.CONFLICT,
            EditState.UNVERIFIED,
            EditState.MISMATCH,
            EditState.FAILED,
            EditState.NOT_ATTEMPTED,
        )
    ),
)


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts as they are told: statuses in their order, then the largest first."""

    def place(each: tuple[str, int]) -> tuple[int, int, str]:
        name, count = each
        known = _ORDER.index(name) if name in _ORDER else len(_ORDER)
        return known, -count, name

    return dict(sorted(counts.items(), key=place))


def cost_of(store: Store, campaign: Campaign, *, pace: Pace, chunk_size: int) -> Cost:
    """Return what carrying a plan out takes: it reads again, writes, and proves."""
    calls = 0
    if campaign.state not in ENDED:
        verifies = campaign.policy.verify != "none"
        loads = _loads(store.reading.pending_loads(campaign.id), chunk_size=chunk_size)
        calls = pace.calls(loads, verify=verifies).total
    per_minute = pace.granted_per_min
    raised = per_minute * RAISED if per_minute else None
    return Cost(
        made=sum(row.calls for row in store.reading.calls(campaign.id)),
        calls=calls,
        per_minute=per_minute,
        minutes=round(calls / per_minute, 1) if per_minute else None,
        raised_per_minute=raised,
        raised_minutes=round(calls / raised, 1) if raised else None,
    )


def _loads(pending: Iterable[tuple[int, int]], *, chunk_size: int) -> list[tuple[Load, int]]:
    """Return the loads of so many accounts with so many edits; every chunk reads for itself."""
    return [
        (Load(edits, edits, windows=-(-edits // chunk_size)), accounts)
        for edits, accounts in pending
    ]
