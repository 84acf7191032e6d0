"""The status of a campaign as lines for a person: one fact on each, the next step last."""

from __future__ import annotations

from collections.abc import Iterator

from worker.model import CampaignState
from worker.report.around import approvals_of
from worker.report.facts import PlanFacts, plan_facts
from worker.report.picture import limit_line
from worker.report.reasons import canary_line, next_step, why_it_waits
from worker.report.snapshot import MOVING, Snapshot
from worker.report.terms import told_hours, tuned

_S = CampaignState
#: how a child is named by its parent
_CHILD = {"undo": "undone by", "retry": "tried again by"}
_PARENT = {"undo": "takes back", "retry": "tries again what was left of"}


def status_lines(look: Snapshot) -> list[str]:
    """Return the status as lines: what, how far, why, outcomes, and what to do next."""
    campaign = look.campaign
    return [
        f"{campaign.id}  {campaign.key}  ({campaign.reason})",
        f"state    {str(campaign.state).replace('_', ' ')}",
        *_agreed(look),
        *_progress(look),
        *_carried_out(look),
        *_kin(look),
        *_outcomes(look),
        f"next     {next_step(look)}",
    ]


def _agreed(look: Snapshot) -> Iterator[str]:
    """Tell of the plan, and who agreed to it."""
    plan = plan_facts(look)
    if plan is not None and plan.plan:
        yield f"plan     {_plan(plan)}"
    for each in approvals_of(look.campaign, look.around):
        yield f"approved by {each.by}, {each.at:%Y-%m-%d %H:%MZ}: {each.reason}"


def _plan(plan: PlanFacts) -> str:
    if plan.changes is None:
        return f"{plan.plan[:23]}…"
    return f"{plan.changes:,} change{'' if plan.changes == 1 else 's'}, {plan.plan[:23]}…"


def _progress(look: Snapshot) -> Iterator[str]:
    progress = look.progress()
    word = "planned" if look.campaign.state is _S.PLANNING else "done"
    edits = "edit" if progress.total == 1 else "edits"
    yield f"{word:<7}  {progress.done:,} of {progress.total:,} {edits}, {progress.percent:.1f} %"
    calls = sum(row.calls for row in look.calls)
    pace = f", {look.rate_per_min:,.0f} edits/min" if look.rate_per_min is not None else ""
    yield f"calls    {calls:,} API call{'' if calls == 1 else 's'}{pace}"
    if canary := canary_line(look):
        yield f"canary   {canary}"
    if why := why_it_waits(look):
        yield f"why      {why}"
    if look.campaign.state in MOVING and look.limiter is not None:
        yield f"limit    {limit_line(look)}"


def _carried_out(look: Snapshot) -> Iterator[str]:
    """Tell what is otherwise than for any campaign: hours, what was tuned."""
    if look.has_ended:
        return
    if hours := told_hours(look.campaign):
        yield f"hours    {hours}"
    if changed := tuned(look.campaign.run):
        yield f"tuned    {', '.join(changed)}"


def _kin(look: Snapshot) -> Iterator[str]:
    campaign = look.campaign
    if campaign.parent is not None:
        yield f"{'kin':<7}  {_PARENT.get(campaign.kind, 'follows')} {campaign.parent}"
    for each in look.around.children:
        state = str(each.state).replace("_", " ")
        yield f"{'kin':<7}  {_CHILD.get(each.kind, 'followed by')} {each.id}, {state}"


def _outcomes(look: Snapshot) -> Iterator[str]:
    outcomes = sorted(look.counts.items(), key=lambda each: (-each[1], each[0]))
    for (state, code), count in outcomes:
        name = str(state) if code in ("", str(state)) else f"{state}: {code}"
        yield f"  {count:>9,}  {name}"
