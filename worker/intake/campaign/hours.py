"""Hours of the day, such as 20:00-06:00@Europe/Paris, and whether some leave any time at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from worker.intake import moments
from worker.model import Window
from worker.rules import parse_window

_DAY: Final = 24 * 60


def window(text: str) -> Window:
    """Reads hours of each day in a zone; of a zone that is mistyped, the one meant is told."""
    _, at, tzid = text.partition("@")
    if at:
        moments.zone(tzid.strip())
    return parse_window(text)


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
