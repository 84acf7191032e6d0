"""Planning reads: few date windows that hold all the events one account's edits are about.

The API cannot read one event by its uid, so a read is a window, and windows are worth sharing
(DESIGN §3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from worker.model import AllDay, When

#: Days back and ahead of today that the API shows of external events. Its latest `to` is 201 days
#: ahead, and that day itself is excluded (cronofy-api §3.1).
DAYS_BACK = 42
DAYS_AHEAD = 200

#: Events that one page shows: a compatible service's figure, the API's own is not documented
#: (cronofy-api §3.2).
PAGE_SIZE = 300
#: Events of a busy person's day, occurrences of series included: what unneeded days cost.
EVENTS_PER_DAY = 4
#: So many unneeded days fill one page, and cost as much as the call that they save.
MAX_GAP_DAYS = PAGE_SIZE // EVENTS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWindow:
    """Days to read, both ends included; the API's own `to` is the day after `last`."""

    first: date
    last: date


def readable_window(today: date) -> ReadWindow:
    """Return all that the API shows of external events."""
    return ReadWindow(
        first=today - timedelta(days=DAYS_BACK), last=today + timedelta(days=DAYS_AHEAD)
    )


def plan_windows(
    hints: Sequence[date | None],
    *,
    today: date,
    margin_days: int = 1,
    max_gap_days: int = MAX_GAP_DAYS,
) -> list[ReadWindow]:
    """Return the windows that hold all hinted days, in order and disjoint.

    An edit without a hint (None) needs the whole readable window. A hint stands for `margin_days`
    more on both sides, since a day in one zone is two in UTC; one that cannot be seen even so
    yields nothing. Windows that at most `max_gap_days` unneeded days keep apart become one: the
    events of those days cost fewer pages than another call.
    """
    readable = readable_window(today)
    if None in hints:
        return [readable]
    margin = timedelta(days=margin_days)
    days = {
        hint
        for hint in hints
        if hint is not None and is_readable(hint, today=today, margin_days=margin_days)
    }
    windows = (
        ReadWindow(first=max(day - margin, readable.first), last=min(day + margin, readable.last))
        for day in sorted(days)
    )
    return _merged(windows, max_gap_days=max_gap_days)


def unread_windows(
    read: Sequence[ReadWindow], *, today: date, max_gap_days: int = MAX_GAP_DAYS
) -> list[ReadWindow]:
    """Return the rest of the readable window, for what was not where its hint said.

    `read` is what `plan_windows` returned. What lies between two rests is read again where that
    costs less than two calls.
    """
    readable = readable_window(today)
    day = timedelta(days=1)
    edges = [readable.first - day, *(window.last for window in read)]
    starts = [*(window.first for window in read), readable.last + day]
    rests = (
        ReadWindow(first=last + day, last=first - day)
        for last, first in zip(edges, starts, strict=True)
        if (first - last).days > 1
    )
    return _merged(rests, max_gap_days=max_gap_days)


def is_readable(hint: date, *, today: date, margin_days: int = 1) -> bool:
    """Tell whether `plan_windows` would read for this hint."""
    # Counted from today, since the first and last days of the calendar have no neighbours to add.
    return -DAYS_BACK - margin_days <= (hint - today).days <= DAYS_AHEAD + margin_days


def is_in_sight(when: When, *, today: date) -> bool:
    """Tell whether an event at that time can be read at all, by its days in UTC."""
    readable = readable_window(today)
    if isinstance(when, AllDay):
        return when.start <= readable.last and max(when.start, when.end) > readable.first
    return when.start.date() <= readable.last and when.end.date() >= readable.first


def _merged(windows: Iterable[ReadWindow], *, max_gap_days: int) -> list[ReadWindow]:
    merged: list[ReadWindow] = []
    for window in windows:
        if merged and (window.first - merged[-1].last).days <= max_gap_days + 1:
            merged[-1] = ReadWindow(first=merged[-1].first, last=max(merged[-1].last, window.last))
        else:
            merged.append(window)
    return merged
