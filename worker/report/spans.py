"""How an event's times read to a person, and by how much they move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from worker.model import AllDay, Image, Timed, When
from worker.rules import find_zone

#: times that are kept at hand: most events of a campaign begin on the same few hundred
KEPT: Final = 10_000
#: minutes up to which a difference is told in minutes
_MOST_MINUTES = 180


class Clock(NamedTuple):
    """What a wall clock shows: the local time without a zone, and how far it is from UTC.

    `tzid` is the zone's name, or what stands for one that nobody knows.
    """

    local: datetime
    offset: timedelta
    tzid: str


@lru_cache(maxsize=KEPT)
def clock_of(instant: datetime, tzid: str) -> Clock:
    """Return what is shown at an instant; in UTC where the zone is unknown, and says so."""
    zone = find_zone(tzid)
    try:
        shown = instant.astimezone(zone or UTC)
    except OverflowError:
        zone, shown = None, instant  # in the year 1 or 9999, whose ends have no day in every zone
    name = tzid if zone else f"UTC ({tzid} is unknown)"
    return Clock(shown.replace(tzinfo=None, fold=0), shown.utcoffset() or timedelta(), name)


def span(image: Image, *, offsets: bool = False) -> str:
    """Return an event's times: Mon 2026-03-02 14:00–15:00 Europe/Paris, with offsets if asked for.

    Whole days are named from the first to the last, both included.
    """
    when = image.when
    if isinstance(when, AllDay):
        return _days(when)
    start, end = clock_of(when.start, when.start_tzid), clock_of(when.end, when.end_tzid)
    is_same_day = start.local.date() == end.local.date()
    until = f"{end.local:%H:%M}" if is_same_day else _day_and_time(end.local)
    if start.tzid != end.tzid:
        first, last = (f" {offset_text(each)}" if offsets else "" for each in (start, end))
        return f"{_day_and_time(start.local)}{first} {start.tzid}–{until}{last} {end.tzid}"
    shown = f"{_day_and_time(start.local)}–{until}"
    return f"{shown} {_offsets(start, end)}{start.tzid}" if offsets else f"{shown} {start.tzid}"


def _offsets(start: Clock, end: Clock) -> str:
    if start.offset == end.offset:
        return f"{offset_text(start)} "
    return f"{offset_text(start)} to {offset_text(end)} "


def _days(when: AllDay) -> str:
    last = when.end - timedelta(days=1)
    until = f" to {last:%a} {last}" if last > when.start else ""
    return f"{when.start:%a} {when.start}{until}, all day"


def _day_and_time(local: datetime) -> str:
    # strftime does not fill up the years before 1000 everywhere, isoformat does.
    return f"{local:%a} {local.isoformat(' ', 'minutes')}"


def offset_text(clock: Clock) -> str:
    """Return how far a wall clock is from UTC: UTC+1, UTC-3:30, UTC."""
    minutes = round(clock.offset.total_seconds() / 60)
    if not minutes:
        return "UTC+0"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


# ---------------------------------------------------------------- by how much


def moved_by(before: When, after: When) -> str:
    """Return by how much an event's times change, in words; "" where they do not.

    By the wall clock, since that is what people look at; where a change of the clocks lies between,
    the time that really passes is told as well.
    """
    if isinstance(before, Timed) and isinstance(after, Timed):
        if (before.start_tzid, before.end_tzid) != (after.start_tzid, after.end_tzid):
            return _to_another_zone(before, after)
        return _on_the_clock(before, after)
    if isinstance(before, AllDay) and isinstance(after, AllDay):
        return _both(after.start - before.start, after.end - before.end)
    return "all day" if isinstance(after, AllDay) else "not all day any more"


def _on_the_clock(before: Timed, after: Timed) -> str:
    start = _shown_shift(before.start, after.start, before.start_tzid)
    end = _shown_shift(before.end, after.end, before.end_tzid)
    told, really = _both(start, end), after.start - before.start
    if really != start:
        told += f", {amount(really)} in real time"
    return told


def _shown_shift(before: datetime, after: datetime, tzid: str) -> timedelta:
    return clock_of(after, tzid).local - clock_of(before, tzid).local


def _both(start: timedelta, end: timedelta) -> str:
    if start == end:
        return amount(start) if start else ""
    if not start:
        return f"ends {amount(end)}"
    if not end:
        return f"starts {amount(start)}"
    return f"starts {amount(start)}, ends {amount(end)}"


def _to_another_zone(before: Timed, after: Timed) -> str:
    start, end = after.start - before.start, after.end - before.end
    if not (start or end):
        return "shown in another zone, at the same moment"
    shown = clock_of(after.start, after.start_tzid).local
    if shown == clock_of(before.start, before.start_tzid).local:
        return f"the same time of another zone, {_both(start, end)}"
    return f"in another zone, {_both(start, end)}"


def amount(delta: timedelta) -> str:
    """Return a difference with its sign: +60 min, -1 day, +2 days 3 h, +4 h 30 min."""
    sign, left = ("-", -delta) if delta < timedelta() else ("+", delta)
    minutes, seconds = divmod(round(left.total_seconds()), 60)
    if not seconds and minutes <= _MOST_MINUTES:
        return f"{sign}{minutes} min"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = (
        f"{days} day{'s' if days > 1 else ''}" if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes else "",
        f"{seconds} s" if seconds else "",
    )
    return sign + " ".join(part for part in parts if part)


def counted(count: int, word: str) -> str:
    """Return "1 event", "2 events"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
