"""How refusals become pauses for everybody."""

from __future__ import annotations

import pytest

from tests.builders import NOW
from tests.unit.cronofy.scripted import NotingPace
from worker.clock import ManualClock
from worker.cronofy.throttle import Throttle

pytestmark = pytest.mark.row(15, 16)


def a_throttle() -> tuple[Throttle, NotingPace, ManualClock]:
    pace, clock = NotingPace(), ManualClock(NOW)
    return Throttle(pace, clock=clock), pace, clock


async def test_a_burst_of_refusals_is_one_refusal() -> None:
    """Sixteen calls under way at once would otherwise cost a minute at the first overrun."""
    throttle, pace, clock = a_throttle()
    for _ in range(16):
        await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    assert pace.pauses == [1]
    assert throttle.left_s == 1


async def test_each_refusal_after_a_pause_waits_twice_as_long_up_to_the_minute() -> None:
    """The second was waited out: it may be the minute that is full, or only a bit more (§7)."""
    throttle, pace, clock = a_throttle()
    for _ in range(9):
        await throttle.refused(started=clock.monotonic(), retry_after_s=None)
        clock.advance(throttle.left_s)
    assert pace.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_the_limiter_is_told_how_long_ago_a_refused_call_began() -> None:
    """One from before the last cut must not cut again; only the server's clock can tell."""
    throttle, pace, clock = a_throttle()
    started = clock.monotonic()
    clock.advance(0.25)
    await throttle.refused(started=started, retry_after_s=None)
    assert pace.ages == [0.25]


async def test_an_answer_ends_the_row() -> None:
    """What was refused long ago says nothing about now."""
    throttle, pace, clock = a_throttle()
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    clock.advance(5)
    throttle.answered(started=clock.monotonic())
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    assert pace.pauses == [1, 1]


async def test_an_answer_to_an_earlier_call_does_not_end_the_row() -> None:
    """It was let through before the refusal."""
    throttle, pace, clock = a_throttle()
    earlier = clock.monotonic()
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    clock.advance(2)
    throttle.answered(started=earlier)
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    assert pace.pauses == [1, 2]


async def test_the_api_s_own_word_counts_first() -> None:
    """Even within a burst, and even when it is longer than the pause under way."""
    throttle, pace, clock = a_throttle()
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    await throttle.refused(started=clock.monotonic(), retry_after_s=30)
    assert pace.pauses == [1, 30]
    assert throttle.left_s == 30


async def test_the_same_word_many_times_is_said_once() -> None:
    """Each pause is a call to the shared limiter."""
    throttle, pace, clock = a_throttle()
    for _ in range(16):
        await throttle.refused(started=clock.monotonic(), retry_after_s=7)
    assert pace.pauses == [7]


async def test_a_pause_that_cannot_be_set_is_no_error() -> None:
    """The answer in hand would be lost with it."""
    throttle, pace, clock = a_throttle()
    pace.unreachable = True
    await throttle.refused(started=clock.monotonic(), retry_after_s=None)
    assert throttle.left_s == 1
