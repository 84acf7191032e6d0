"""Hours of the day, such as 20:00-06:00@Europe/Paris, and whether some leave any time at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from worker.intake import moments
from worker.intake.problems import CellError
from worker.model import Window

_DAY: Final = 24 * 60
_TIME = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_HOURS = re.compile(rf"{_TIME}\s*-\s*{_TIME}\s*@\s*(\S+)", re.ASCII)


def window(text: str) -> Window:
    """Reads hours of each day in a zone; 24:00 is the day's end."""
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise CellError("not hours of the day", step="write them as in 20:00-06:00@Europe/Paris")
    *clock, tzid = found.groups()
    since_h, since_m, until_h, until_m = map(int, clock)
    since, until = 60 * since_h + since_m, 60 * until_h + until_m
    if since >= _DAY or until > _DAY:
        raise CellError("no such time of day", step="the last is 23:59, or 24:00 for an end")
    if since == until:
        raise CellError("it ends when it begins", step="write 00:00-24:00 for the whole day")
    return Window(since=since, until=until, tzid=moments.zone(tzid))


def leaves_time(windows: Iterable[Window], quiet: Iterable[Window]) -> bool:
    """Tells that quiet hours do not cover all windows; hours of other zones are not compared."""
    hushed: dict[str, set[int]] = {}
    for each in quiet:
        hushed.setdefault(each.tzid, set()).update(_minutes(each))
    opened = [*windows] or [Window(since=0, until=_DAY, tzid=tzid) for tzid in hushed]
    return not opened or any(_minutes(each) - hushed.get(each.tzid, set()) for each in opened)


def _minutes(hours: Window) -> set[int]:
    if hours.since < hours.until:
        return {*range(hours.since, hours.until)}
    return {*range(hours.since, _DAY), *range(hours.until)}
