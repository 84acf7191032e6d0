"""What the peers decide by themselves: no strawman, and no figure of speech."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from tests.benchmarks.bare import Pacer
from tests.benchmarks.script import Row, wanted, window_of

EVENT: dict[str, Any] = {
    "event_uid": "evt_external_1",
    "summary": "Planning",
    "start": "2026-12-01T09:00:00Z",
    "end": "2026-12-01T10:00:00Z",
}


def a_row(**cells: str) -> Row:
    """A line that shifts by an hour."""
    return {"date_hint": "", "shift": "PT1H", "new_start": "", "new_end": ""} | cells


def test_a_shift_is_by_an_hour() -> None:
    """As calpatch reads the same line."""
    body = wanted(a_row(), EVENT)
    assert body == EVENT | {"start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z"}


def test_what_is_done_already_is_not_sent() -> None:
    """A careful script compares before it writes."""
    row = a_row(shift="", new_start=EVENT["start"], new_end=EVENT["end"])
    assert wanted(row, EVENT) is None


def test_the_window_is_the_smallest_that_holds_all_dates() -> None:
    """The last day is excluded by the API, so it is one more."""
    rows = [a_row(date_hint=day) for day in ("2026-12-03", "2026-12-01", "2026-12-02")]
    assert window_of(rows) == (date(2026, 12, 1), date(2026, 12, 4))


def test_without_dates_everything_is_read() -> None:
    """No from and no to is the API's whole window."""
    assert window_of([a_row()]) == (None, None)


@pytest.mark.parametrize(
    ("sent", "weight", "opens_s"),
    [
        ([], 1, 0.0),
        ([10.0], 1, 0.0),
        # two a second: the third waits for the first to leave, and the margin
        ([10.0, 10.4], 1, 11.1),
        # a heavier one also has to fit into the three in ten seconds
        ([10.0, 10.4], 2, 20.1),
        # three in ten seconds: the fourth waits for the first of them
        ([10.0, 11.2, 12.4], 1, 20.1),
    ],
)
def test_the_pacer_opens_when_all_windows_have_room(
    sent: list[float], weight: int, opens_s: float
) -> None:
    """Exact: neither a call too many nor a moment wasted."""
    pacer = Pacer("2/s,3/10s")
    pacer._sent.extend(sent)
    assert max(pacer._opens(*window, weight) for window in pacer._windows) == pytest.approx(opens_s)


async def test_without_limit_nobody_waits() -> None:
    """Scale-out is measured without one."""
    pacer = Pacer("")
    async with asyncio.timeout(5):
        for _ in range(1000):
            await pacer.pace(50)
