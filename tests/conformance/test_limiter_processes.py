"""All processes together use what is granted, and not one more, counted where it is used."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import redis

from tests.used import Used, fullest
from worker.clock import ManualClock
from worker.embedded import ValkeyServer
from worker.limits import MemoryLimiter, Rate, open_limiter, parse_rate
from worker.rules import Turn

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.nightly]


WORKER = textwrap.dedent("""
    import asyncio, json, random, sys, time
    from worker.limits import open_limiter, parse_rate
    from worker.rules import Turn

    url, rate, weights, seconds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
    used = []

    async def wait_for_ever(limiter, turn, weights):
        while True:
            weight = random.choice(weights)
            await limiter.acquire(weight, turn=turn)
            used.append((time.monotonic(), weight))

    async def main():
        limiter = open_limiter(url, rate=parse_rate(rate), share=1.0)
        await limiter.state()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            async with asyncio.timeout(float(seconds)):
                await asyncio.gather(*(
                    wait_for_ever(limiter, Turn(campaign=str(n)), of_campaign)
                    for n, of_campaign in enumerate(weights) for _ in range(8)
                ))
        except TimeoutError:
            await limiter.aclose()

    asyncio.run(main())
    print(json.dumps(used), flush=True)
""")


class Crowd:
    """Processes with eight waiters a campaign; monotonic time is the same for all of them."""

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self.workers = workers

    def begin(self) -> float:
        """Lets all begin at once, and returns when."""
        for worker in self.workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return time.monotonic()

    def used(self) -> list[Used]:
        """Waits for the end and returns all grants in their order."""
        told = [json.loads(worker.communicate()[0]) for worker in self.workers]
        assert all(worker.returncode == 0 for worker in self.workers)
        return sorted(Used(*grant) for grants in told for grant in grants)


@contextmanager
def crowd(
    url: str, rate: Rate, *, weights: list[list[int]], seconds: float, processes: int = 4
) -> Iterator[Crowd]:
    """Starts processes with campaigns of these weights, and ends them when a claim fails."""
    command = [sys.executable, "-c", WORKER, url, str(rate), json.dumps(weights), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen(command, text=True, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    try:
        yield Crowd(workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


async def ideal(rate: Rate, seconds: float, *, pause_at: float = 1e9) -> int:
    """Counts what the whole grant allows in so long: windows with their margin, no delay at all.

    At once what the windows hold, then as it comes free again; nothing in a second's pause.
    """
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    limiter = MemoryLimiter(rate=rate, clock=clock)
    count = 0
    while clock.monotonic() <= seconds:
        if clock.monotonic() >= pause_at:
            clock.advance(max(0.0, pause_at + 1 - clock.monotonic()))
            pause_at = 1e9
        await limiter.acquire(turn=Turn(urgent=True))
        count += clock.monotonic() <= seconds
    return count


def within(used: list[Used], seconds: float) -> int:
    """Returns the weight of the grants of so many seconds from the first one on."""
    return sum(grant.weight for grant in used if grant.at <= used[0].at + seconds)


def check_windows(used: list[Used], rate: Rate) -> None:
    """Fails when any sliding window holds more than the API allows."""
    for window in rate.windows:
        assert fullest(used, window.seconds) <= window.requests


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_the_whole_grant_is_used_from_the_first_moment(redis_url: str, processes: int) -> None:
    """The limit is the application's: all of it but the reserve of 2 %, in a burst and after."""
    rate, seconds = parse_rate("50/s,200/10s"), 12.0
    with crowd(
        redis_url, rate, weights=[[1], [1]], seconds=seconds + 2, processes=processes
    ) as workers:
        workers.begin()
        used = workers.used()
    check_windows(used, rate)
    assert within(used, seconds) >= 0.97 * asyncio.run(ideal(rate, seconds))


def test_the_whole_grant_is_used_after_a_pause(redis_url: str) -> None:
    """What is reserved when a 429 stops everybody is not lost: it is exchanged."""
    rate, seconds = parse_rate("50/s"), 8.0
    with crowd(redis_url, rate, weights=[[1]], seconds=seconds + 2, processes=2) as workers:
        asyncio.run(begin_log(redis_url))
        began = workers.begin()
        wait_until(began + 3)
        start, end = asyncio.run(paused(redis_url, rate, seconds=1))
        used = workers.used()
    check_windows(used, rate)
    assert not [grant for grant in used if start < grant.at < end]
    pause_at = end - 1 - used[0].at
    expected = asyncio.run(ideal(rate, seconds, pause_at=pause_at))
    assert within(used, seconds) >= 0.97 * expected


def test_the_whole_grant_is_used_by_batches_and_reads_together(redis_url: str) -> None:
    """A batch that counts as 49 needs all the room of a second; reads must not leave it idle."""
    rate, seconds = parse_rate("50/s,200/10s"), 20.0
    with crowd(redis_url, rate, weights=[[49], [1]], seconds=seconds + 2, processes=2) as workers:
        workers.begin()
        used = workers.used()
    check_windows(used, rate)
    assert within(used, seconds) >= 0.95 * asyncio.run(ideal(rate, seconds))
    reads, batches = (sum(one.weight for one in used if one.weight == n) for n in (1, 49))
    # Each process takes turns for itself, and readers who use what they got are not in its line.
    assert reads >= 0.4 * batches, "the two campaigns did not take turns"


async def begin_log(url: str) -> None:
    """Takes a grant, so that the run has no birth of a log in it."""
    limiter = open_limiter(url, rate=parse_rate("50/s"), share=1.0, settle_s=0)
    await limiter.acquire()
    await limiter.aclose()


def test_the_limit_holds_over_a_flush_and_a_pause_with_mixed_weights(
    redis_url: str, valkey: ValkeyServer
) -> None:
    """Redis forgets everything in the middle of a run, and the API asks for a rest."""
    rate = parse_rate("20/s,60/6s")
    with crowd(redis_url, rate, weights=[list(range(1, 10))], seconds=13) as workers:
        began = workers.begin()
        wait_until(began + 2)
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        wait_until(began + 7)
        start, end = asyncio.run(paused(redis_url, rate, seconds=2))
        used = workers.used()
    check_windows(used, rate)
    assert not [grant for grant in used if start < grant.at < end]
    assert used[-1].at > end, "nothing was granted after the pause"


async def paused(url: str, rate: Rate, *, seconds: float) -> tuple[float, float]:
    """Pauses all and returns from when to when nobody may be granted anything."""
    limiter = open_limiter(url, rate=rate, share=1.0)
    await limiter.state()
    began = time.monotonic()
    await limiter.pause(seconds)
    await limiter.aclose()
    # A grant that was on its way may still arrive within the margin.
    return time.monotonic() + 0.1, began + seconds


def wait_until(moment: float) -> None:
    """Lets the other processes work."""
    asyncio.run(asyncio.sleep(max(0.0, moment - time.monotonic())))
