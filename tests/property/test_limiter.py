"""The limit holds in every sliding window, whatever is asked, and by how many processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import fakeredis
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from worker import limits
from worker.clock import ManualClock
from worker.limits import MemoryLimiter, Rate, WaitTooLong, Window, open_limiter, parse_rate
from worker.limits.slots import Limit, earliest, limits_of


class Used(NamedTuple):
    """A grant as its user saw it."""

    at: float
    weight: int


def fullest(used: list[Used], seconds: float) -> int:
    """Returns the most weight in any window of this length, the far end not included."""
    most, inside, first = 0, 0, 0
    for grant in used:
        inside += grant.weight
        while used[first].at <= grant.at - seconds:
            inside -= used[first].weight
            first += 1
        most = max(most, inside)
    return most


# ---------------------------------------------------------------- rates

windows = st.builds(
    Window,
    requests=st.integers(1, 1000),
    seconds=st.sampled_from([1, 2, 10, 60, 90, 120, 3600, 7200]).map(float),
)
rates = st.builds(Rate, windows=st.lists(windows, min_size=1, max_size=3).map(tuple))


@given(rates)
def test_a_rate_reads_back_as_written(rate: Rate) -> None:
    """What `calpatch` shows can be put into the settings."""
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50/s,500/min", ((50, 1), (500, 60))),
        (" 5/m , 7/h ", ((5, 60), (7, 3600))),
        ("20/10s", ((20, 10),)),
        ("unlimited", ()),
    ],
)
def test_rates_are_read_as_people_write_them(
    text: str, expected: tuple[tuple[int, int], ...]
) -> None:
    """Cronofy raises limits on request; the new one is typed in by hand."""
    assert parse_rate(text).windows == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0/s", "0/s: at least 1"),
        ("50/s,500/year", "500/year: expected"),
        ("", "nothing: expected"),
        ("50/s,", "nothing: expected"),
        ("5/0s", "5/0s: a window lasts"),
        ("100001/h", "100001/h: at most"),
        ("-5/s", "-5/s: expected"),
        ("50", "50: expected"),
    ],
)
def test_a_malformed_rate_names_the_bad_part(text: str, complaint: str) -> None:
    """One mistake among several windows must be findable."""
    with pytest.raises(ValueError, match=complaint):
        parse_rate(text)


@pytest.mark.parametrize("share", [0, -0.1, 1.01])
def test_a_share_is_a_part_of_the_limit(share: float) -> None:
    """More than all of it, or nothing, cannot be meant."""
    with pytest.raises(ValueError, match="share"):
        limits_of(parse_rate("50/s"), share=share, margin_s=0)


@given(requests=st.integers(1, 1000), percent=st.integers(1, 100))
def test_a_share_is_rounded_down_but_never_to_nothing(requests: int, percent: int) -> None:
    """29 % of 100 is 29, although the machine's product is a hair less."""
    (limit,) = limits_of(Rate(windows=(Window(requests, 1.0),)), share=percent / 100, margin_s=0)
    assert limit.granted == max(1, requests * percent // 100)


# ---------------------------------------------------------------- the log

limit_lists = st.lists(
    st.builds(
        lambda granted, span: Limit(granted, granted, span, span),
        st.integers(1, 12),
        st.sampled_from([1.0, 5.0, 30.0]),
    ),
    max_size=3,
).map(tuple)
#: quarter seconds: sums of them are exact
times = st.integers(400, 600).map(lambda quarters: quarters / 4)
logs = st.lists(times, max_size=20).map(lambda log: sorted(log, reverse=True))


def fits(log: list[float], at: float, *, weight: int, limits: tuple[Limit, ...]) -> bool:
    """Says by counting whether a grant at this time keeps within all windows."""
    return all(
        sum(entry > at - limit.span_s for entry in log) + weight <= limit.granted
        for limit in limits
    )


@given(log=logs, now=times, not_before=times, limits=limit_lists, data=st.data())
def test_a_grant_is_legal_and_not_later_than_need_be(
    log: list[float], now: float, not_before: float, limits: tuple[Limit, ...], data: st.DataObject
) -> None:
    """Exact in both directions: never over the limit, nothing of it wasted."""
    weight = data.draw(st.integers(1, min((limit.granted for limit in limits), default=5)))
    at = earliest(log, now=now, not_before=not_before, weight=weight, limits=limits)
    assert fits(log, at, weight=weight, limits=limits)
    if at > max(now, not_before, *log[:1]):
        assert not fits(log, at - 0.125, weight=weight, limits=limits)


GRANT = Path(limits.__file__).with_name("grant.lua").read_text()


@settings(max_examples=60)
@given(log=logs.filter(bool), limits=limit_lists.filter(bool), data=st.data())
def test_the_script_grants_what_the_log_of_slots_says(
    log: list[float], limits: tuple[Limit, ...], data: st.DataObject
) -> None:
    """Lua and Python are one algorithm; the log lies ahead, so that the present plays no part."""
    weight = data.draw(st.integers(1, min(limit.granted for limit in limits)))
    start_us = (int(time.time()) + 1000) * 1_000_000
    server = fakeredis.FakeRedis(decode_responses=True)
    server.set("born", "log")
    server.rpush("log", *(f"{start_us + round(at * 1e6)}:t:1" for at in log))
    windows = [
        part
        for limit in limits
        for part in (limit.granted, limit.requests, round(limit.span_s * 1e6))
    ]
    reply: Any = server.eval(
        GRANT, 3, "log", "pause", "born", "", "token", weight, 10**15, 0, *windows
    )
    expected = earliest(log, now=0, not_before=0, weight=weight, limits=limits)
    assert (reply[0], reply[2] - start_us) == (1, round(expected * 1e6))
    kept = min(len(log) + weight, max(limit.requests for limit in limits))
    assert server.llen("log") == kept
    assert server.lindex("log", 0) == f"{reply[2]}:token:{weight}"


# ---------------------------------------------------------------- any use of it

steps = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), st.integers(1, 8)),
        st.tuples(st.just("try"), st.integers(1, 8)),
        st.tuples(st.just("advance"), st.sampled_from([0.1, 0.7, 1.0, 3.0, 10.0])),
        st.tuples(st.just("pause"), st.sampled_from([0.5, 2.0, 20.0])),
    ),
    max_size=60,
)


class DrowsyClock(ManualClock):
    """Oversleeps by these seconds, one after the other, as a busy machine does."""

    def __init__(self, lateness: list[float]) -> None:
        super().__init__(datetime(2026, 1, 1, tzinfo=UTC))
        self._lateness = itertools.cycle(lateness or [0.0])

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + next(self._lateness))


async def walk(
    script: list[tuple[str, float]], rate: Rate, lateness: list[float]
) -> tuple[list[Used], list[tuple[float, float]]]:
    """Runs a script; returns the grants, and the pauses from start to end."""
    clock = DrowsyClock(lateness)
    limiter = MemoryLimiter(rate=rate, clock=clock)
    used: list[Used] = []
    pauses = []
    for verb, number in script:
        match verb:
            case "advance":
                clock.advance(number)
            case "pause":
                await limiter.pause(number)
                pauses.append((clock.monotonic(), clock.monotonic() + number))
            case _:
                weight = min(int(number), limiter.max_weight)
                try:
                    await limiter.acquire(weight, timeout_s=None if verb == "acquire" else 0.5)
                except WaitTooLong:
                    continue
                used.append(Used(clock.monotonic(), weight))
    return used, pauses


@given(
    steps,
    st.sampled_from(["5/s", "8/s,20/10s", "3/s,10/min", "1/s"]),
    st.lists(st.sampled_from([0.0, 0.03, 0.09]), max_size=5),
)
def test_no_walk_exceeds_the_rate_or_enters_a_pause(
    script: list[tuple[str, float]], text: str, lateness: list[float]
) -> None:
    """However callers mix weights, deadlines and pauses, and wake up late within the margin."""
    used, pauses = asyncio.run(walk(script, parse_rate(text), lateness))
    for window in parse_rate(text).windows:
        assert fullest(used, window.seconds) <= window.requests
    for (start, end), grant in itertools.product(pauses, used):
        assert not start < grant.at < end


async def test_a_grant_that_comes_too_late_is_thrown_away() -> None:
    """Used late, it would fall into the same window as those that the log granted after it."""
    limiter = MemoryLimiter(rate=parse_rate("2/s"), clock=DrowsyClock([0.0, 0.5, 0.0]))
    await limiter.acquire(2)
    await limiter.acquire()
    # The slot that was slept through, and the one that was used instead.
    assert (await limiter.state()).windows[0].used == 2


async def test_a_machine_that_is_always_late_gets_on_all_the_same() -> None:
    """Throwing grants away for ever would be a standstill that nobody understands."""
    limiter = MemoryLimiter(rate=parse_rate("1/s"), clock=DrowsyClock([0.5]))
    for _ in range(3):
        await limiter.acquire()


# ---------------------------------------------------------------- many processes

WORKER = textwrap.dedent("""
    import asyncio, json, random, sys, time
    from worker.limits import open_limiter, parse_rate

    url, rate, heaviest, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    used = []

    async def wait_for_ever(limiter):
        while True:
            weight = random.randint(1, heaviest)
            await limiter.acquire(weight)
            used.append((time.monotonic(), weight))

    async def main():
        limiter = open_limiter(url, rate=parse_rate(rate), share=1.0)
        await limiter.state()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(wait_for_ever(limiter) for _ in range(16)))
        except TimeoutError:
            await limiter.aclose()

    asyncio.run(main())
    print(json.dumps(used), flush=True)
""")


class Crowd:
    """Four processes with sixteen waiters each; monotonic time is the same for all of them."""

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
def crowd(url: str, rate: Rate, *, heaviest: int, seconds: float) -> Iterator[Crowd]:
    """Starts the processes, and ends them when a claim fails."""
    command = [sys.executable, "-c", WORKER, url, str(rate), str(heaviest), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    try:
        yield Crowd(workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


async def possible(rate: Rate, seconds: float) -> int:
    """Counts what the real windows allow in so long, without any margin or delay."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    limiter = MemoryLimiter(rate=rate, clock=clock, margin_s=0)
    count = 0
    while clock.monotonic() <= seconds:
        await limiter.acquire()
        count += 1
    return count - 1


async def begin_log(url: str, rate: Rate) -> Used:
    """Takes the first grant, so that the run has no birth of a log in it."""
    limiter = open_limiter(url, rate=rate, share=1.0, settle_s=0)
    await limiter.acquire()
    await limiter.aclose()
    return Used(time.monotonic(), 1)


@pytest.mark.slow
@pytest.mark.redis
def test_four_processes_use_the_limit_and_never_exceed_it(redis_url: str) -> None:
    """The limit is the application's: all of it, and not one more, in any sliding window."""
    rate, seconds = parse_rate("20/s,60/6s"), 9.5
    with crowd(redis_url, rate, heaviest=1, seconds=seconds) as processes:
        first = asyncio.run(begin_log(redis_url, rate))
        processes.begin()
        used = [first, *processes.used()]
    for window in rate.windows:
        assert fullest(used, window.seconds) <= window.requests
    assert len(used) >= 0.95 * asyncio.run(possible(rate, seconds))


@pytest.mark.slow
@pytest.mark.redis
def test_the_limit_holds_over_a_flush_and_a_pause_with_mixed_weights(redis_url: str) -> None:
    """Redis forgets everything in the middle of a run, and the API asks for a rest."""
    rate = parse_rate("20/s,60/6s")
    # Long enough to see grants again: slots thrown away in the pause fill the log until 15.2 s.
    with crowd(redis_url, rate, heaviest=9, seconds=17) as processes:
        began = processes.begin()
        wait_until(began + 2)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        wait_until(began + 7)
        start, end = asyncio.run(paused(redis_url, rate, seconds=2))
        used = processes.used()
    for window in rate.windows:
        assert fullest(used, window.seconds) <= window.requests
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
