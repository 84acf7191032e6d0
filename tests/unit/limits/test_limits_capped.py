"""A campaign's own limit, in front of the one for everybody."""

from __future__ import annotations

import pytest

from worker.clock import SystemClock
from worker.limits import CappedLimiter, MemoryLimiter, Rate, WaitTooLong, parse_rate
from worker.limits.capped import MOST_KEPT
from worker.rules import Turn

SLOW, QUICK = Turn(campaign="slow", account="acc_1"), Turn(campaign="quick", account="acc_2")


def a_limiter(rate: str = "1000/s") -> CappedLimiter:
    """Return a limiter whose campaigns' own ones are in memory as well."""

    def make(_name: str, rate: Rate) -> MemoryLimiter:
        return MemoryLimiter(rate=rate, clock=SystemClock())

    return CappedLimiter(MemoryLimiter(rate=parse_rate(rate), clock=SystemClock()), make)


async def is_granted(limiter: CappedLimiter, turn: Turn) -> bool:
    """Tell whether a call of a campaign may leave at once."""
    try:
        await limiter.acquire(turn=turn, timeout_s=0.0)
    except WaitTooLong:
        return False
    return True


async def test_nobody_else_waits_for_a_slow_campaign() -> None:
    """One call in ten seconds for the one, and as many as there are for the other."""
    limiter = a_limiter()
    limiter.cap("slow", share=None, max_rps=0.1)
    assert await is_granted(limiter, SLOW)
    assert not await is_granted(limiter, SLOW)
    assert all([await is_granted(limiter, QUICK) for _ in range(50)])
    await limiter.aclose()


async def test_a_campaign_is_told_at_once_that_it_may_go_faster() -> None:
    """And slower; the same told again forgets nothing of what it has had."""
    limiter = a_limiter()
    limiter.cap("slow", share=None, max_rps=0.1)
    assert await is_granted(limiter, SLOW)
    limiter.cap("slow", share=None, max_rps=0.1)
    assert not await is_granted(limiter, SLOW)
    limiter.cap("slow", share=None, max_rps=100)
    assert await is_granted(limiter, SLOW)
    limiter.cap("slow", share=None, max_rps=None)
    assert all([await is_granted(limiter, SLOW) for _ in range(50)])
    await limiter.aclose()


async def test_a_share_is_of_what_calpatch_may_use() -> None:
    """Half of four a second are two."""
    limiter = a_limiter("4/s")
    assert limiter.cap("slow", share=0.5, max_rps=None) == 2
    assert [await is_granted(limiter, SLOW) for _ in range(3)] == [True, True, False]
    assert await is_granted(limiter, QUICK)
    await limiter.aclose()


@pytest.mark.parametrize("others", [MOST_KEPT - 1, 3 * MOST_KEPT])
async def test_a_campaign_at_work_keeps_its_limit_among_many(others: int) -> None:
    """What is forgotten is that of campaigns which have called least lately."""
    limiter = a_limiter()
    limiter.cap("slow", share=None, max_rps=0.1)
    assert await is_granted(limiter, SLOW)
    for number in range(others):
        limiter.cap(f"other {number}", share=None, max_rps=0.1)
        assert not await is_granted(limiter, SLOW)
    await limiter.aclose()
