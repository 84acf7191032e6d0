"""When a campaign sends: from a time on, until a deadline, in hours of the day (features §4, 10).

The wall clock decides, also when it is changed: hours that it shows twice count twice, hours that
it skips not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from worker.model import Run, Window
from worker.rules.zones import find_zone, local_time

#: Minutes.
_DAY: Final = 24 * 60
#: Days that are searched: hours of two zones may meet on few days of the year, between one's change
#: of the clocks and the other's.
_SEARCHED: Final = 366
_SECOND: Final = timedelta(seconds=1)

_TIME = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_HOURS = re.compile(rf"{_TIME}\s*-\s*{_TIME}\s*@\s*(\S+)", re.ASCII)


def parse_window(text: str) -> Window:
    """Return the hours in a text such as 20:00-06:00@Europe/Paris; 24:00 is the day's end.

    Raises ValueError, whose message says what to write instead.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError("not hours of the day; write 20:00-06:00@Europe/Paris")
    *clock, tzid = found.groups()
    since_h, since_m, until_h, until_m = map(int, clock)
    since, until = 60 * since_h + since_m, 60 * until_h + until_m
    if since >= _DAY or until > _DAY:
        raise ValueError("no such time of day; the last is 23:59, or 24:00 for an end")
    if since == until:
        raise ValueError("it ends when it begins; write 00:00-24:00 for the whole day")
    if find_zone(tzid) is None:
        raise ValueError("no such time zone; give an IANA name such as Europe/Paris")
    return Window(since=since, until=until, tzid=tzid)


def format_hours(window: Window) -> str:
    """Return the hours of a window without its zone, such as 20:00-06:00."""
    since, until = (f"{each // 60:02}:{each % 60:02}" for each in (window.since, window.until))
    return f"{since}-{until}"


def is_open(run: Run, now: datetime) -> bool:
    """Tell whether a campaign may send at this moment (aware).

    With windows it may in any of them, and never in quiet hours. Hours in a zone that is not known
    here are closed, and quiet: nobody is mailed by night for a name.
    """
    if (run.at and now < run.at) or (run.deadline and now >= run.deadline):
        return False
    if any(_is_within(each, now, unknown=True) for each in run.quiet):
        return False
    return not run.windows or any(_is_within(each, now, unknown=False) for each in run.windows)


def opens_at(run: Run, now: datetime) -> datetime | None:
    """Return the first moment from now on at which a campaign may send, in UTC.

    None when there is none before its deadline, or within a year.
    """
    start = max(now, run.at or now).astimezone(UTC)
    for number in range(_SEARCHED):
        first = start + timedelta(days=number)
        last = first + timedelta(days=1)
        if run.deadline and first >= run.deadline:
            break
        changes = {each for each in _changes(run, first, last=last) if first <= each < last}
        for moment in sorted({first, *changes}):
            if is_open(run, moment):
                return moment
    return None


def _is_within(hours: Window, now: datetime, *, unknown: bool) -> bool:
    local = local_time(now, hours.tzid)
    if not isinstance(local, datetime):
        return unknown
    minute = 60 * local.hour + local.minute
    if hours.since < hours.until:
        return hours.since <= minute < hours.until
    return minute >= hours.since or minute < hours.until


def _changes(run: Run, first: datetime, *, last: datetime) -> Iterator[datetime]:
    """Give the moments of a day or so at which something may open; some of them are none."""
    marks = [(each.tzid, each.since) for each in run.windows]
    marks += [(each.tzid, each.until) for each in run.quiet]
    for tzid, minute in marks:
        zone = find_zone(tzid)
        if zone is None:
            continue
        midnight = datetime.combine(first.astimezone(zone).date(), time())
        for days in (-1, 0, 1):
            mark = midnight + timedelta(days=days, minutes=minute)
            for fold in (0, 1):
                yield mark.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        yield from _clock_change(zone, first, last=last)


def _clock_change(zone: ZoneInfo, first: datetime, *, last: datetime) -> Iterator[datetime]:
    """Give the moment between these two at which a zone's clocks are changed, if there is one."""
    first, last = (each.replace(microsecond=0) for each in (first, last))
    old, new = (each.astimezone(zone).utcoffset() for each in (first, last))
    if old == new:
        return
    while last - first > _SECOND:
        middle = first + (last - first) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == old:
            first = middle
        else:
            last = middle
    yield last
