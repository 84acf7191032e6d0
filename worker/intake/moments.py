"""Checks of what a cell says about time: zones, moments, durations and their order.

Everything is cached by its text, because the rows of a file repeat themselves. Nothing here knows
of rows or columns; a value that is refused raises CellError.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from worker.intake.problems import CellError
from worker.model import Shift
from worker.rules import parse_moment, parse_shift

#: a date, or a time that is aware or naive
Moment: TypeAlias = date | datetime

#: calendars hold no real event outside of these years, but typing errors are
FIRST_YEAR, LAST_YEAR = 1970, 2200

#: entries of one cache; a file of other texts costs their parsing, not more memory
CACHED = 16_384

#: zones of the machine, not of the world: they mean another thing elsewhere
_LOCAL = frozenset({"localtime", "Factory"})


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Lists the zones of the IANA database, as zoneinfo finds them."""
    return frozenset(available_timezones() - _LOCAL)


def zone(text: str) -> str:
    """Checks the name of a zone."""
    if text not in zone_names():
        raise CellError(
            "no such time zone",
            step="give an IANA name such as Europe/Paris",
            wanted=text,
            among=zone_names(),
        )
    return text


@lru_cache(maxsize=CACHED)
def shift(text: str) -> Shift:
    """Reads an ISO 8601 duration of wall clock time; what is wrong with it is said by the rules."""
    return parse_shift(text)


@lru_cache(maxsize=CACHED)
def elapsed_shift(text: str) -> Shift:
    """Reads an ISO 8601 duration of elapsed time."""
    return parse_shift(text, elapsed=True)


@lru_cache(maxsize=CACHED)
def moment(text: str) -> Moment:
    """Reads a date, or a time in whole seconds; what is wrong with it is said by the rules."""
    found = parse_moment(text)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise CellError(
            f"the year {found.year} is out of reach",
            step=f"give one of {FIRST_YEAR} to {LAST_YEAR}",
        )
    return found


@lru_cache(maxsize=CACHED)
def day(text: str) -> date:
    """Reads a date; of a time, its date as written."""
    found = moment(text)
    return found.date() if isinstance(found, datetime) else found


@lru_cache(maxsize=CACHED)
def placed(text: str, tzid: str) -> Moment:
    """Reads a moment that means one instant, or a date; `tzid` is "" when there is none.

    A naive time is read in `tzid`, and stays naive: how it is kept is how it was asked.
    """
    found = moment(text)
    if isinstance(found, datetime) and found.tzinfo is None:
        if not tzid:
            raise CellError("a time without an offset", step="add one (+01:00 or Z), or give tzid")
        _instant(found, tzid)
    return found


def in_order(end: Moment, *, after: Moment, tzid: str) -> None:
    """Checks that an end fits its start: of one kind, and later."""
    same_kind(end, as_=after)
    if isinstance(end, datetime) and isinstance(after, datetime):
        if _instant(end, tzid) <= _instant(after, tzid):
            raise CellError("the end is not after the start", step="give a later end")
    elif end <= after:
        raise CellError(
            "the end is not after the start",
            step=f"it is the day after the last; one day ends on {after + timedelta(days=1)}",
        )


def same_kind(found: Moment, *, as_: Moment) -> None:
    """Checks that two moments can be of one event: both dates, or both times."""
    if isinstance(found, datetime) != isinstance(as_, datetime):
        raise CellError(
            "a date and a time do not go together",
            step="give dates for an all-day event, else times",
        )


def _instant(found: datetime, tzid: str) -> datetime:
    """Places a time in UTC; a wall clock time that exists twice or not at all is refused."""
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    # PEP 495: fold tells two readings of one wall clock apart; they agree on ordinary days.
    first = found.replace(tzinfo=ZoneInfo(tzid), fold=0)
    second = first.replace(fold=1)
    if first.utcoffset() != second.utcoffset():
        raise _between_clocks(first, second)
    return first.astimezone(UTC)


def _between_clocks(first: datetime, second: datetime) -> CellError:
    """Says which two instants a wall clock time next to a change of the clocks may mean."""
    zone_ = first.tzinfo
    instants = sorted(reading.astimezone(UTC) for reading in (first, second))
    # Within a gap a reading does not come back as it was: the clocks skip it.
    skipped = instants[0].astimezone(zone_).replace(tzinfo=None) != first.replace(tzinfo=None)
    fault = "does not exist on that day" if skipped else "exists twice on that day"
    earlier, later = (instant.astimezone(zone_).isoformat() for instant in instants)
    return CellError(f"this time {fault} in {zone_}", step=f"give {earlier} or {later}")
