"""Rescheduling: moving an event to a start, an end, or both, given as ISO 8601 text.

Intake reads the text once with `parse_moment` to refuse nonsense early; `decide` reads it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import assert_never

from msgspec.structs import replace

from worker.model import AllDay, Policy, Reschedule, Timed, When
from worker.rules.zones import Ambiguous, resolved

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindMismatch:
    """A date was given for a timed event, or a time for an all-day one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndBeforeStart:
    """The event would end before it starts, or lose its whole length."""


def parse_moment(text: str) -> date | datetime:
    """Return the date, the aware time or (without an offset) the naive wall clock time in a text.

    Raises ValueError, whose message says what to write instead.
    """
    cleaned = text.strip().upper()
    match = _TIME.fullmatch(cleaned)
    if match is None and not _DATE.fullmatch(cleaned):
        raise ValueError("neither a date nor a time; write 2026-03-02 or 2026-03-02T15:00+01:00")
    try:
        if match is None:
            return date.fromisoformat(cleaned)
        day, clock, fraction, offset = match.groups()
        moment = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
    except ValueError as wrong:
        raise ValueError("no such day or time in the calendar") from wrong
    if fraction and int(fraction):
        raise ValueError("the API knows whole seconds only")
    return moment


def rescheduled(
    when: When, move: Reschedule, *, tzid: str | None, policy: Policy
) -> When | Ambiguous | KindMismatch | EndBeforeStart:
    """Return where a reschedule puts an event; the zones it is shown in stay.

    With a start alone the event keeps its length (elapsed time, or days), with an end alone its
    start. A naive time is read in `tzid`, or else in the zone of the end it is for. The end of an
    all-day event is the first day after it. Raises ValueError for text that `parse_moment` refuses.
    """
    start = None if move.start is None else parse_moment(move.start)
    end = None if move.end is None else parse_moment(move.end)
    try:
        match when:
            case AllDay():
                return _on_days(when, start, end=end)
            case Timed():
                return _at_times(when, start, end=end, tzid=tzid, policy=policy)
        assert_never(when)
    except OverflowError:
        return Ambiguous(why="range")


def _on_days(
    when: AllDay, start: date | None, *, end: date | None
) -> AllDay | KindMismatch | EndBeforeStart:
    if isinstance(start, datetime) or isinstance(end, datetime):
        return KindMismatch()
    first = when.start if start is None else start
    after = end or first + (when.end - when.start)
    # A length of zero may stay, but not come about.
    if after < first or (after == first and when.end != when.start):
        return EndBeforeStart()
    return AllDay(start=first, end=after)


def _at_times(
    when: Timed, start: date | None, *, end: date | None, tzid: str | None, policy: Policy
) -> Timed | Ambiguous | KindMismatch | EndBeforeStart:
    first = _instant(start, when.start, tzid=tzid or when.start_tzid, policy=policy)
    if not isinstance(first, datetime):
        return first
    kept_end = first + (when.end - when.start)
    last = _instant(end, kept_end, tzid=tzid or when.end_tzid, policy=policy)
    if not isinstance(last, datetime):
        return last
    if last < first or (last == first and when.end != when.start):
        return EndBeforeStart()
    return replace(when, start=first, end=last)


def _instant(
    moment: date | None, otherwise: datetime, *, tzid: str, policy: Policy
) -> datetime | Ambiguous | KindMismatch:
    match moment:
        case None:
            return otherwise
        case datetime(tzinfo=None):
            return resolved(moment, tzid, policy=policy)
        case datetime():
            return moment.astimezone(UTC)
        case _:
            return KindMismatch()
