"""Words for what a campaign selects and changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from worker.model import (
    AddText,
    InZone,
    Lasting,
    Match,
    Op,
    Replace,
    Select,
    SetText,
    Shift,
    TextRule,
    ToTime,
)

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MANY: Final = {"person": "people"}
#: entries of a list that are named; the others are counted
_NAMED: Final = 5


def selected(select: Select) -> Iterator[str]:
    """Gives what is selected, in lines."""
    between = select.between
    last = between.after - timedelta(days=1)
    yield f"selects events of {_accounts(select)}"
    yield f"  in {_calendars(select)}"
    yield f"  that start from {between.first} to {last}, in {between.tzid}"
    yield from (f"  {condition}" for condition in _conditions(select.match))


def changed(op: Op) -> str:
    """Returns what a transform does."""
    match op:
        case Shift() | ToTime() | Lasting() | InZone():
            return _moved(op)
        case SetText(value=""):
            return f"clears its {op.field}"
        case SetText():
            return f"sets its {op.field} to {quoted(op.value)}"
        case Replace():
            what = _sought(op.pattern, how=op.how, ignore_case=op.ignore_case)
            return f"replaces {what} in its {op.field} with {quoted(op.with_text)}"
        case AddText():
            where = "before" if op.before else "after"
            return f"puts {quoted(op.text)} {where} its {op.field}"
    assert_never(op)


def _moved(op: Shift | ToTime | Lasting | InZone) -> str:
    match op:
        case Shift():
            way = "later" if op.delta > timedelta() else "earlier"
            by = "time that passes" if op.elapsed else "the clock on the wall"
            return f"moves it {span(abs(op.delta).total_seconds())} {way}, by {by}"
        case ToTime():
            day = f" to {_WEEKDAYS[op.weekday]}" if op.weekday is not None else ""
            time = f" to {op.time}" if op.time is not None else ""
            return f"moves it{day}{time}, in {op.tzid or 'its own zone'}, within its week"
        case Lasting():
            return f"makes it last {span(op.delta.total_seconds())}"
        case InZone():
            kept = "instant" if op.keep == "instant" else "time of day"
            return f"shows it in {op.tzid}, at the same {kept}"
    assert_never(op)


def listed(words: Sequence[str], *, last: str = "and") -> str:
    """Returns "a, b and c"; of a long list the first few, and how many more there are."""
    named = [*words[:_NAMED]]
    if len(words) > len(named):
        named.append(f"{len(words) - len(named):,} more")
    return f" {last} ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)


def number(count: int, word: str) -> str:
    """Returns "1 edit", "2 edits"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {_MANY.get(word, f'{word}s')}"


def span(seconds: float) -> str:
    """Returns a duration in words; a day has 24 hours."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [number(days, "day") if days else "", *_clock_parts(hours, minutes, rest)]
    return " ".join(filter(None, parts))


def _clock_parts(*counts: int) -> Iterator[str]:
    for count, unit in zip(counts, ("h", "min", "s"), strict=True):
        if count:
            yield f"{count} {unit}"


def clock(moment: datetime) -> str:
    """Returns a moment in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def quoted(text: str) -> str:
    """Returns a text in quotes, on one line."""
    return '"' + text.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _accounts(select: Select) -> str:
    if select.subs:
        return f"{number(len(select.subs), 'account')} ({listed(select.subs)})"
    if select.labels:
        return f"the accounts labelled {listed(select.labels, last='or')}"
    return "all accounts"


def _calendars(select: Select) -> str:
    if select.calendars:
        return f"{number(len(select.calendars), 'calendar')} ({listed(select.calendars)})"
    kind = "their primary calendars" if select.primary else "all calendars that may be edited"
    return f"{kind} but {listed(select.exclude)}" if select.exclude else kind


def _conditions(match: Match) -> Iterator[str]:
    yield from _people(match)
    if match.summary is not None:
        yield f"whose title {_like(match.summary)}"
    if match.location is not None:
        yield f"whose location {_like(match.location)}"
    if match.private is not None:
        yield "that are private" if match.private else "that are not private"
    yield from _times(match)


def _times(match: Match) -> Iterator[str]:
    if match.all_day is not None:
        yield "that last whole days" if match.all_day else "that have times"
    if match.created_before is not None:
        yield f"that were made before {clock(match.created_before)}"
    if match.updated_before is not None:
        yield f"that were last changed before {clock(match.updated_before)}"
    if match.shortest_s is not None:
        yield f"that last {span(match.shortest_s)} or longer"
    if match.longest_s is not None:
        yield f"that last {span(match.longest_s)} or shorter"


def _people(match: Match) -> Iterator[str]:
    if match.organizer is not None:
        who = "the account itself" if match.organizer == "self" else "somebody else"
        yield f"that {who} organizes"
    if match.organizer_domains:
        yield f"that somebody of {listed(match.organizer_domains, last='or')} organizes"
    if match.attendees_any_domain:
        yield f"to which somebody of {listed(match.attendees_any_domain, last='or')} is invited"
    if match.attendees_only_domains:
        yield f"to which nobody outside of {listed(match.attendees_only_domains)} is invited"
    if match.attendees_any:
        yield f"to which {listed(match.attendees_any, last='or')} is invited"
    if match.least_attendees is not None:
        yield f"to which {number(match.least_attendees, 'person')} or more are invited"
    if match.most_attendees is not None:
        yield f"to which {number(match.most_attendees, 'person')} or fewer are invited"


def _like(rule: TextRule) -> str:
    verb = {"literal": "contains", "glob": "is like", "regex": "fits"}[rule.how]
    return f"{verb} {_sought(rule.text, how=rule.how, ignore_case=rule.ignore_case)}"


def _sought(text: str, *, how: str, ignore_case: bool) -> str:
    shown = f"/{text}/" if how == "regex" else quoted(text)
    return f"{shown} in any case" if ignore_case else shown
