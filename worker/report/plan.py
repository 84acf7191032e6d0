"""A plan as people look at it before they agree: what would change, what not and why, and who is
told of it by mail. Derived from the stored targets each time; nothing here reads a calendar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from worker.model import CODE_HELP, EditState, Image, Timed
from worker.report.results import message_of
from worker.report.shown import start_and_end
from worker.report.snapshot import Pace
from worker.rules import Calls, find_zone, format_seconds, loads_of
from worker.store import Campaign, Outcome

#: what a plan may be grouped by
GROUPS: Final = ("reason", "organizer", "account", "day")
#: names of a group that are kept; the rest is told together
MOST_NAMED: Final = 1_000


class PlanLine(Struct, frozen=True, kw_only=True):
    """One edit of a plan; `changes` tells each field as before → after."""

    line_no: int
    account: str
    calendar_id: str
    event_uid: str
    status: str
    code: str
    title: str
    when: str
    changes: tuple[tuple[str, str, str], ...]
    people: int
    externals: int
    organizer: str
    warnings: tuple[str, ...]


class PlanView(Struct, frozen=True, kw_only=True):
    """A whole plan in figures; minutes are None where nothing is limited."""

    campaign: str
    key: str
    reason: str
    owner: str
    source: str
    state: str
    state_reason: str
    plan: str
    planned_at: datetime | None
    expires_at: datetime | None
    total: int
    changes: int
    by_status: dict[str, int]
    by_code: dict[str, int]
    people: int
    externals: int
    warnings: dict[str, int]
    calls: int
    minutes: float | None
    calls_raised: float | None
    approvals: tuple[str, ...]


class Totals:
    """Counts a plan's edits in one pass, whatever their number."""

    def __init__(self) -> None:
        self.by_status: Counter[str] = Counter()
        self.by_code: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.accounts: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.organizers: Counter[str] = Counter()
        self.people = self.externals = 0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.by_status[status_of_line(outcome)] += 1
        if outcome.code:
            self.by_code[outcome.code] += 1
        if not is_change(outcome):
            return
        self.people += outcome.people or 0
        self.externals += outcome.externals or 0
        self.accounts[outcome.account] += 1
        if outcome.before is not None:
            self.days[start_and_end(outcome.before)[0][:10]] += 1
            self.organizers[outcome.before.organizer or "nobody named"] += 1
        for warning in warnings_of(outcome):
            self.warnings[warning] += 1


def is_change(outcome: Outcome) -> bool:
    """Tell whether a plan, or what became of it, has a change for this line."""
    return outcome.target is not None and outcome.before is not None


def status_of_line(outcome: Outcome) -> str:
    """Return "change" for what would be sent, else how it ended."""
    if outcome.state is EditState.PENDING:
        return "change" if is_change(outcome) else "waiting"
    return str(outcome.state)


def view_of(
    campaign: Campaign, totals: Totals, *, pace: Pace, chunk_size: int, approvals: Iterable[str]
) -> PlanView:
    """Return a plan in figures."""
    calls = cost_of(campaign, totals, pace=pace, chunk_size=chunk_size).total
    granted = pace.granted_per_min
    return PlanView(
        campaign=campaign.id,
        key=campaign.key,
        reason=campaign.reason,
        owner=campaign.owner,
        source=campaign.source,
        state=str(campaign.state),
        state_reason=campaign.state_reason,
        plan=f"sha256:{campaign.plan_hash}" if campaign.plan_hash else "",
        planned_at=campaign.planned_at,
        expires_at=campaign.expires_at,
        total=campaign.total,
        changes=totals.by_status["change"],
        by_status=dict(totals.by_status.most_common()),
        by_code=dict(totals.by_code.most_common()),
        people=totals.people,
        externals=totals.externals,
        warnings=dict(totals.warnings.most_common()),
        calls=calls,
        minutes=round(calls / granted, 1) if granted else None,
        calls_raised=granted * RAISED if granted else None,
        approvals=tuple(approvals),
    )


#: a rate that Cronofy raises for a migration, in multiples of ours: what it would take is told
RAISED: Final = 10


def cost_of(campaign: Campaign, totals: Totals, *, pace: Pace, chunk_size: int) -> Calls:
    """Return the calls that carrying a plan out takes: it reads again, writes, and proves."""
    loads = loads_of(totals.accounts.values(), chunk_size=chunk_size)
    return pace.calls(loads.items(), verify=campaign.policy.verify != "none")


# ---------------------------------------------------------------- one line


def line_of(outcome: Outcome) -> PlanLine:
    """Return one edit as it is shown."""
    shown = outcome.before or outcome.seen or outcome.target
    return PlanLine(
        line_no=outcome.line_no,
        account=outcome.account,
        calendar_id=outcome.calendar_id,
        event_uid=outcome.event_uid,
        status=status_of_line(outcome),
        code=outcome.code,
        title=shown.summary if shown else "",
        when=_span(shown) if shown else "",
        changes=tuple(changes_of(outcome.before, outcome.target)),
        people=outcome.people or 0,
        externals=outcome.externals or 0,
        organizer=shown.organizer if shown else "",
        warnings=tuple(warnings_of(outcome)),
    )


def changes_of(before: Image | None, after: Image | None) -> Iterator[tuple[str, str, str]]:
    """Yield each field that differs as (name, before, after); times as one, in their zones."""
    if before is None or after is None:
        return
    old, new = _span(before), _span(after)
    if old != new:
        yield "time", old, new
    for name in ("summary", "description", "location", "transparency"):
        was, becomes = getattr(before, name), getattr(after, name)
        if was != becomes:
            yield name, was, becomes


def warnings_of(outcome: Outcome) -> Iterator[str]:
    """Yield what somebody should look at twice."""
    before, target = outcome.before, outcome.target
    if before is None or target is None:
        return
    if _offset(before) != _offset(target):
        yield "crosses a change of the clocks"
    if before.conference:
        yield "has a conference link"
    if len(before.description) > LONG_DESCRIPTION:
        yield "has a long description, which providers may cut"


#: characters from which on providers have been seen to cut (cronofy-api §4.1)
LONG_DESCRIPTION: Final = 4096


def _offset(image: Image) -> object:
    if not isinstance(image.when, Timed):
        return None
    zone = find_zone(image.when.start_tzid)
    return image.when.start.astimezone(zone).utcoffset() if zone else None


def _span(image: Image) -> str:
    """Return an event's times as a person reads them: Tue 2026-03-02 14:00–15:00 Europe/Paris."""
    when = image.when
    if not isinstance(when, Timed):
        days = (when.end - when.start).days
        more = f", {days} days" if days > 1 else ""
        return f"{when.start:%a %Y-%m-%d} all day{more}"
    zone, other = find_zone(when.start_tzid), find_zone(when.end_tzid)
    start = when.start.astimezone(zone) if zone else when.start
    end = when.end.astimezone(other) if other else when.end
    ends = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %Y-%m-%d %H:%M}"
    zones = (
        when.start_tzid
        if when.start_tzid == when.end_tzid
        else (f"{when.start_tzid} to {when.end_tzid}")
    )
    return f"{start:%a %Y-%m-%d %H:%M}–{ends} {zones}"


# ---------------------------------------------------------------- in words


def headline(view: PlanView) -> list[str]:
    """Return a plan in a few lines: what, how much, why not, who is mailed, what it costs."""
    hidden = ("change",)
    rest = ", ".join(
        f"{name.replace('_', ' ')} {count:,}"
        for name, count in view.by_status.items()
        if name not in hidden
    )
    lines = [
        f"Plan {view.campaign}  {view.key}  ({view.reason})",
        f"  selected {view.total:,}   change {view.changes:,}" + (f"   {rest}" if rest else ""),
    ]
    if view.by_code:
        lines += [
            f"  {count:>9,}  {code}  {message_of(code)}"
            for code, count in view.by_code.items()
            if code in {str(each) for each in CODE_HELP}
        ]
    if view.people:
        others = f", {view.externals:,} of them from elsewhere" if view.externals else ""
        lines.append(f"  mail     up to {view.people:,} people may be notified{others}")
    lines += [f"  warn     {count:,} {text}" for text, count in view.warnings.items()]
    lines.append(f"  cost     {_cost(view)}")
    if view.plan:
        lines.append(f"  plan     {view.plan[:23]}…, {_until(view)}")
    return lines


def _cost(view: PlanView) -> str:
    calls = f"about {view.calls:,} API calls"
    if view.minutes is None or view.calls_raised is None:
        return f"{calls}, with no limit set"
    now = format_seconds(60 * view.minutes)
    raised = format_seconds(60 * view.calls / view.calls_raised)
    return f"{calls}: {now} at the limit of now, {raised} at {RAISED} times as much"


def _until(view: PlanView) -> str:
    if view.expires_at is None:
        return "not complete yet"
    return f"may be approved until {view.expires_at:%Y-%m-%d %H:%MZ}"


def told_line(line: PlanLine) -> Iterator[str]:
    """Yield one edit in lines: what it is, and each change."""
    sign = {"change": "~", "unchanged": "=", "conflict": "!", "failed": "!"}.get(line.status, "-")
    people = f"  {line.people} attendees ({line.externals} external)" if line.people else ""
    yield f"{sign} line {line.line_no}  {line.event_uid}  {line.title!r}  {line.when}{people}"
    for name, before, after in line.changes:
        yield f"    {name}: {_short(before)} → {_short(after)}"
    if line.code:
        yield f"    {line.status}: {line.code}  {message_of(line.code)}"
    for warning in line.warnings:
        yield f"    warn: {warning}"


#: characters of a text that a line shows
SHOWN: Final = 80


def _short(text: str) -> str:
    plain = text.replace("\n", " ")
    return (plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…") or '""'


#: what a line is grouped by
GROUPING: dict[str, Callable[[PlanLine], str]] = {
    "reason": lambda line: f"{line.status}: {line.code}" if line.code else line.status,
    "organizer": lambda line: line.organizer or "nobody named",
    "account": lambda line: line.account,
    "day": lambda line: " ".join(line.when.split()[:2]),
}
