"""Shifts: reading them from text, writing them back, and moving a time by one.

The wall clock decides unless a shift asks for elapsed time: an hour later stays an hour later on
the clock that people look at, also across a daylight saving change (features §2, 26).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import assert_never

from msgspec.structs import replace

from worker.model import AllDay, Lasting, Policy, Shift, Timed, When
from worker.rules.zones import Ambiguous, local_time, resolved

#: Days; the readable window spans 243, so whatever is longer is a slip of the hand.
MAX_SHIFT_DAYS = 400

_NUMBER = r"[0-9]{1,9}(?:[.,][0-9]{1,9})?"
_DURATION = re.compile(
    r"([+-]?)P"
    rf"(?:({_NUMBER})Y)?(?:({_NUMBER})M)?(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?=[0-9])(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotForAllDay:
    """The shift holds hours, minutes or seconds, which an all-day event cannot move by."""


def parse_shift(text: str, *, elapsed: bool = False) -> Shift:
    """Return the shift that an ISO 8601 duration with an optional sign in front means.

    P1D is a day, PT24H twenty-four hours: the same on a timed event, but only days move an all-day
    one. Raises ValueError, whose message says what to write instead.
    """
    days, seconds = _parsed(text, written="-P1D, P1W, PT30M or P1DT2H")
    shift = Shift(days=days, seconds=seconds, elapsed=elapsed)
    if not shift.delta:
        raise ValueError("a shift by nothing changes nothing")
    return shift


def parse_length(text: str) -> Lasting:
    """Return how long an ISO 8601 duration lasts; ValueError says what to write instead."""
    days, seconds = _parsed(text, written="PT30M, P1D or P1DT2H")
    if days < 0 or seconds < 0:
        raise ValueError("nothing lasts less than no time; leave the minus out")
    if not (days or seconds):
        raise ValueError("no time at all; write PT30M, P1D or P1DT2H")
    return Lasting(days=days, seconds=seconds)


def _parsed(text: str, *, written: str) -> tuple[int, int]:
    """Return the days and seconds of a duration, both with its sign."""
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groups()[1:]):
        raise ValueError(f"not an ISO 8601 duration; write {written}")
    sign, years, months, weeks, days, *clock = match.groups()
    if years or months:
        raise ValueError("years and months differ in length; give days")
    whole, seconds = 7 * _whole_days(weeks) + _whole_days(days), _clock_seconds(clock)
    if whole * 86_400 + seconds > MAX_SHIFT_DAYS * 86_400:
        raise ValueError(f"longer than {MAX_SHIFT_DAYS} days")
    return (-whole, -seconds) if sign == "-" else (whole, seconds)


def _whole_days(text: str | None) -> int:
    if text and not text.isdecimal():
        raise ValueError("weeks and days are whole numbers; give the rest in hours")
    return int(text or 0)


def _clock_seconds(parts: list[str | None]) -> int:
    given = [part for part in parts if part]
    # ISO 8601 §5.5.2.3 allows a fraction in the last part only.
    if not all(part.isdecimal() for part in given[:-1]):
        raise ValueError("only the last part may have a fraction; write PT1H30M or PT1.5H")
    total = sum(
        unit * Fraction((part or "0").replace(",", "."))
        for unit, part in zip((3600, 60, 1), parts, strict=True)
    )
    if total.denominator != 1:
        raise ValueError("the API knows whole seconds only")
    return total.numerator


def format_shift(shift: Shift) -> str:
    """Return the text from which `parse_shift` makes the same shift; `elapsed` is not part of it.

    One sign stands for the whole text, so days and seconds of opposite signs become seconds.
    """
    days, seconds = shift.days, shift.seconds
    if days * seconds < 0:
        days, seconds = 0, days * 86_400 + seconds
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = "".join(
        f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if count
    )
    day_part = f"{abs(days)}D" if days or not clock else ""
    sign = "-" if days < 0 or seconds < 0 else ""
    return f"{sign}P{day_part}{'T' if clock else ''}{clock}"


def moved(
    when: When, move: Shift, *, tzid: str | None, policy: Policy
) -> When | Ambiguous | NotForAllDay:
    """Return where a shift puts an event.

    Both ends move by the wall clock of `tzid`, or else each by that of the zone it is shown in; an
    elapsed shift adds to the instants. The zones shown stay. Reversed, a shift gives back exactly
    what it moved as long as neither the old nor the new wall clock times are skipped or repeated.
    An event with an unknown zone is refused: its wall clock cannot be told, and UTC would be a
    guess.
    """
    try:
        match when:
            case AllDay():
                return _moved_days(when, move)
            case Timed() if move.elapsed:
                return replace(when, start=when.start + move.delta, end=when.end + move.delta)
            case Timed():
                return _moved_on_the_clock(when, move.delta, tzid=tzid, policy=policy)
        assert_never(when)
    except OverflowError:
        return Ambiguous(why="range")


def _moved_days(when: AllDay, move: Shift) -> AllDay | NotForAllDay:
    if move.seconds:
        return NotForAllDay()
    return AllDay(start=when.start + move.delta, end=when.end + move.delta)


def _moved_on_the_clock(
    when: Timed, delta: timedelta, *, tzid: str | None, policy: Policy
) -> Timed | Ambiguous:
    start = _end_moved(when.start, delta, tzid=tzid or when.start_tzid, policy=policy)
    end = _end_moved(when.end, delta, tzid=tzid or when.end_tzid, policy=policy)
    return with_ends(when, start, end)


def with_ends(
    when: Timed, start: datetime | Ambiguous, end: datetime | Ambiguous
) -> Timed | Ambiguous:
    """Return an event from one to the other end, each read off a clock of its own.

    A change of the clocks between them can eat a short event whole and give a length to one
    without, and two zones may turn its ends round: ambiguous (order).
    """
    if isinstance(start, Ambiguous):
        return start
    if isinstance(end, Ambiguous):
        return end
    if end < start or (end == start) != (when.end == when.start):
        return Ambiguous(why="order")
    return replace(when, start=start, end=end)


def _end_moved(
    instant: datetime, delta: timedelta, *, tzid: str, policy: Policy
) -> datetime | Ambiguous:
    local = local_time(instant, tzid)
    if isinstance(local, Ambiguous):
        return local
    return resolved(local + delta, tzid, policy=policy)
