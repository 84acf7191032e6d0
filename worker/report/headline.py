"""A plan and its lines as a terminal shows them: one fact a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from worker.model import ENDED, CampaignState, EditState
from worker.report.cautions import CAUTION_HELP
from worker.report.contrast import contrast, shortened
from worker.report.lines import FieldChange, PlanLine, needs_attention, short_times
from worker.report.plan import BEFORE, Cost, PlanView
from worker.report.results import message_of
from worker.report.spans import counted
from worker.report.standing import minute, standing
from worker.rules import format_seconds

_SIGNS: Final = {
    "change": "~",
    "waiting": "?",
    str(EditState.SENDING): "~",
    str(EditState.ACCEPTED): "~",
    str(EditState.VERIFIED): "+",
    str(EditState.UNCHANGED): "=",
}
_KINDS: Final = {"undo": "Undo", "retry": "Retry"}


def headline(view: PlanView, *, now: datetime) -> Iterator[str]:
    """Yield a plan in a few lines: where it stands, how much, why not, who is mailed, the cost."""
    yield f"{title_of(view)}  {view.key}  ({view.reason})"
    yield f"  state    {standing(view, now=now)}"
    yield f"  events   {view.total:,}{''.join(_counts(view))}"
    for code, count in view.by_code.items():
        if code != EditState.VERIFIED:
            yield f"  {count:>9,}  {code}  {message_of(code)}"
    if view.people:
        yield f"  mail     {mail_of(view)}"
    for name, count in view.warnings.items():
        yield f"  warn     {count:,}  {name}  {CAUTION_HELP[name]}"
    yield from (f"  note     {note}" for note in notes_of(view))
    yield f"  calls    {cost_of(view)}"
    if view.plan:
        yield f"  plan     {view.plan[:23]}…"
    for each in view.approvals:
        yield f"  agreed   {each.actor}, {minute(each.at)}: {each.reason}"


def title_of(view: PlanView) -> str:
    """Return what a campaign is called: a plan until it has begun."""
    parent = f" of {view.parent}" if view.parent else ""
    usual = "Plan" if view.state in BEFORE else "Campaign"
    return f"{_KINDS.get(view.kind, usual)} {view.campaign}{parent}"


def _counts(view: PlanView) -> Iterator[str]:
    for name, count in view.by_status.items():
        yield f"   {name.replace('_', ' ')} {count:,}"


def mail_of(view: PlanView) -> str:
    """Return how many people hear of it; those from elsewhere only where that can be told."""
    tense = "may have been notified" if CampaignState(view.state) in ENDED else "may be notified"
    people = "person" if view.people == 1 else "people"
    said = f"up to {view.people:,} {people} {tense}, once for each event"
    if view.externals is None:
        return said
    domains = ", ".join(view.internal_domains)
    return f"{said}; {view.externals:,} of them are not of {domains}"


def notes_of(view: PlanView) -> Iterator[str]:
    """Yield what must be known to read the rest rightly."""
    if view.kind == "direct":
        yield "it was submitted to be carried out at once, without a plan to agree to"
    if view.pruned_at is not None:
        yield f"its lines were pruned on {view.pruned_at:%Y-%m-%d}: only the counts are left"
    elif view.untold:
        events = counted(view.untold, "event")
        yield f"what is stored of {events} is gone (erased or pruned), and left blank"


def cost_of(view: PlanView) -> str:
    """Return the calls that were made, or that are still to be made and how long these take."""
    cost = view.cost
    if view.state not in BEFORE or not cost.calls:
        return (
            f"{counted(cost.made, 'API call')} so far"
            if cost.calls
            else (f"{counted(cost.made, 'API call')} in all")
        )
    return f"about {counted(cost.calls, 'call')} to do it, as the limit counts: {times_of(cost)}"


def times_of(cost: Cost) -> str:
    """Return how long the calls to do take, now and at a raised limit."""
    if not cost.per_minute or not cost.raised_per_minute:
        return "no limit is set"
    now, raised = (
        format_seconds(60 * cost.calls / rate) for rate in (cost.per_minute, cost.raised_per_minute)
    )
    return f"{now} at {cost.per_minute:,.0f} a minute, {raised} at {cost.raised_per_minute:,.0f}"


# ---------------------------------------------------------------- one line


def told_line(line: PlanLine) -> Iterator[str]:
    """Yield one edit in lines: which event, each change, how it ended, what to look at."""
    sign = "!" if needs_attention(line.status, line.code) else _SIGNS.get(line.status, "-")
    title = f'  "{shortened(line.title)}"' if line.is_known else ""
    when = "" if any(each.field == "time" for each in line.changes) else line.when
    parts = (f"line {line.line_no}", line.event_uid + title, when, guests_of(line))
    yield f"{sign} {'  '.join(part for part in parts if part)}"
    for change in line.changes:
        yield f"    {told_change(change)}"
        if change.now is not None and change.now != change.before:
            yield f"    {change.field} is now: {_quoted(change, change.now)}"
    if line.code and line.status != line.code:
        yield f"    {line.status.replace('_', ' ')}: {line.code}  {message_of(line.code)}"
    for name in line.warnings:
        yield f"    warn: {CAUTION_HELP[name]}"


def guests_of(line: PlanLine) -> str:
    """Return how many people take part; "" for none, or where nobody has counted."""
    if not line.people:
        return ""
    people = counted(line.people, "guest")
    return people if line.externals is None else f"{people} ({line.externals:,} external)"


def told_change(change: FieldChange) -> str:
    """Return a field before and after, cut down to what differs."""
    if change.field == "time":
        before, after = short_times(change)
        return f"time: {before} → {after}{f' ({change.by})' if change.by else ''}"
    old, new = (text.whole for text in contrast(change.before, change.after))
    return f"{change.field}: {_or_nothing(old)} → {_or_nothing(new)}"


def _quoted(change: FieldChange, text: str) -> str:
    return text if change.field == "time" else _or_nothing(shortened(text))


def _or_nothing(text: str) -> str:
    return f'"{text}"' if text else "nothing"
