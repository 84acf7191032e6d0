"""The limit holds in every sliding window, whatever is asked; Lua and Python say the same."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.used import Used, fullest
from worker.clock import ManualClock
from worker.limits import MemoryLimiter, Rate, WaitTooLong, Window, parse_rate
from worker.limits.pace import Pace, factor_of, refused
from worker.limits.shared import script_text
from worker.limits.slots import Limit, earliest, limits_of, most_kept

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


def a_limit(granted: int, span_s: float, reserved: int) -> Limit:
    """Returns a window that leaves room for something that is not urgent."""
    return Limit(granted, granted, span_s, span_s, min(reserved, granted - 1))


limit_lists = st.lists(
    st.builds(a_limit, st.integers(1, 12), st.sampled_from([1.0, 5.0, 30.0]), st.integers(0, 3)),
    max_size=3,
).map(tuple)
#: quarter seconds: sums of them are exact
times = st.integers(400, 600).map(lambda quarters: quarters / 4)
logs = st.lists(times, max_size=20).map(lambda log: sorted(log, reverse=True))


def fits(log: list[float], at: float, *, weight: int, limits: tuple[Limit, ...]) -> bool:
    """Says by counting whether a grant at this time keeps within all windows."""
    return all(
        sum(entry > at - limit.span_s for entry in log) + weight <= limit.allowed()
        for limit in limits
    )


def heaviest(limits: tuple[Limit, ...]) -> int:
    """Returns the most that anybody may ask for."""
    return min((limit.allowed() for limit in limits), default=5)


@given(log=logs, now=times, not_before=times, limits=limit_lists, data=st.data())
def test_a_grant_is_legal_and_not_later_than_need_be(
    log: list[float], now: float, not_before: float, limits: tuple[Limit, ...], data: st.DataObject
) -> None:
    """Exact in both directions: never over the limit, nothing of it wasted."""
    weight = data.draw(st.integers(1, heaviest(limits)))
    at, _ = earliest(log, now=now, not_before=not_before, weight=weight, limits=limits)
    assert fits(log, at, weight=weight, limits=limits)
    if at > max(now, not_before, *log[:1]):
        assert not fits(log, at - 0.125, weight=weight, limits=limits)


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=30), limit_lists)
def test_urgent_ones_go_before_what_is_reserved_and_never_over_the_limit(
    asked: list[tuple[int, bool]], limits: tuple[Limit, ...]
) -> None:
    """However far ahead the others have reserved, and all of them keep their slots."""
    log: list[float] = []
    now = 0.0
    for number, (weight, urgent) in enumerate(asked):
        light = min(weight, heaviest(limits))
        options = {"now": now, "not_before": 0.0, "weight": light, "limits": limits}
        at, behind = earliest(log, urgent=urgent, **options)
        later, _ = earliest(log, **options)
        assert at <= later
        log[behind:behind] = [at] * light
        assert log == sorted(log, reverse=True)
        now += number % 3 / 4
    for limit in limits:
        used = [Used(at, 1) for at in reversed(log)]
        assert fullest(used, limit.span_s) <= limit.granted


@given(log=logs, limits=limit_lists.filter(bool), weight=st.integers(1, 12))
def test_a_grant_heavier_than_what_is_left_of_a_window_goes_alone(
    log: list[float], limits: tuple[Limit, ...], weight: int
) -> None:
    """Slowed down to a twentieth, a batch must still get through, and the API may take it."""
    weight = min(weight, heaviest(limits))
    at, _ = earliest(log, now=0, not_before=0, weight=weight, limits=limits, factor=0.05)
    assert not log or at >= log[0] + max(limit.span_s for limit in limits)


#: the present of a script under test; its logs begin about there
NOW_US = 100 * 1_000_000


def run_script(name: str, keys: dict[str, object], *arguments: object) -> tuple[Any, Any]:
    """Runs a script at a known time; returns its reply, and the server with what it left."""
    text = script_text(name)
    assert "redis.call('TIME')" in text
    server = fakeredis.FakeRedis(decode_responses=True)
    for key, value in keys.items():
        server.rpush(key, *value) if isinstance(value, list) else server.set(key, str(value))
    stopped = text.replace("redis.call('TIME')", f"{{{NOW_US // 1_000_000}, 0}}")
    names = ("log", "pause", "born", "pace")
    return server.eval(stopped, len(names), *names, *arguments), server


def asked(
    limits: tuple[Limit, ...], weight: int, *, urgent: bool = False, back: tuple[object, ...] = ()
) -> list[object]:
    """Returns the script's arguments as a limiter would give them; it reserves at any distance."""
    windows = [
        part
        for limit in limits
        for part in (limit.allowed(urgent=urgent), most_kept(limits), round(limit.span_s * 1e6))
    ]
    return ["", "token", weight, 10**15, 0, int(urgent), len(back) // 2, *back, *windows]


@settings(max_examples=60)
@given(
    log=logs.filter(bool),
    limits=limit_lists.filter(bool),
    level=st.sampled_from([0.0, 0.06, 0.3, 0.777, 1.0]),
    urgent=st.booleans(),
    data=st.data(),
)
def test_the_script_grants_what_the_log_of_slots_says(
    log: list[float], limits: tuple[Limit, ...], level: float, urgent: bool, data: st.DataObject
) -> None:
    """Lua and Python are one algorithm, throttled or not, urgent or not."""
    weight = data.draw(st.integers(1, heaviest(limits)))
    entries = [f"{round(at * 1e6)}:t:1" for at in log]
    pace = Pace(level, level / 2, 99.0, 10.0) if level else None
    throttled = {"pace": f"{pace.level} {pace.low} {99_000_000} {pace.stay_s}"} if pace else {}
    keys = {"log": entries, "born": "log"} | throttled
    reply, server = run_script("grant", keys, *asked(limits, weight, urgent=urgent))
    at, behind = earliest(
        log,
        now=100.0,
        not_before=0,
        weight=weight,
        limits=limits,
        factor=factor_of(pace, 100.0),
        urgent=urgent,
    )
    assert (reply[0], reply[2]) == (1, round(at * 1e6))
    mine = [f"{reply[2]}:token:{n}" for n in range(weight, 0, -1)]
    expected = (entries[:behind] + mine + entries[behind:])[: most_kept(limits)]
    longest_us = max(limit.span_s for limit in limits) * 1e6
    while int(expected[-1].split(":")[0]) <= NOW_US - longest_us:
        expected.pop()
    assert server.lrange("log", 0, -1) == expected


@settings(max_examples=30)
@given(log=logs, weight=st.integers(1, 8))
def test_what_comes_back_unused_was_never_there(log: list[float], weight: int) -> None:
    """A slot that is exchanged or given back is free for others at once."""
    limits = (Limit(12, 12, 30.0, 30.0),)
    entries = [f"{round(at * 1e6)}:t{n}:1" for n, at in enumerate(log)] or ["0:born"]
    reply, server = run_script("grant", {"log": entries, "born": "log"}, *asked(limits, weight))
    after = server.lrange("log", 0, -1)
    back = (f"{reply[2]}:token", weight)
    left = [one for one in after if not one.startswith(back[0])] or ["0:born"]
    keys = {"log": after, "born": "log"}
    again, server = run_script("grant", keys, *asked(limits, 0, back=back))
    assert (again[0], server.lrange("log", 0, -1)) == (1, left)
    # And in the same call as the next question.
    exchanged, _ = run_script("grant", keys, *asked(limits, weight, back=back))
    expected, _ = run_script("grant", {"log": left, "born": "log"}, *asked(limits, weight))
    assert exchanged == expected


refusals = st.lists(
    st.tuples(st.sampled_from([0, 100_000, 2_000_000, 7_000_000, 31_000_000, 130_000_000])
    | st.integers(0, 200_000_000), st.integers(0, 3_000_000), st.integers(0, 60_000_000)),
    max_size=12,
)  # fmt: skip

HISTORY = """
local now, pace, told = 0, nil, {}
for i = 1, #ARGV, 3 do
  now = now + tonumber(ARGV[i])
  told[#told + 1] = string.format('%.12g', pace_factor(pace, now))
  pace = pace_refused(pace, now, tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]))
  pace_write(KEYS[1], pace, now)
  pace = pace_read(KEYS[1])
  told[#told + 1] = string.format('%.12g', pace_factor(pace, now))
end
return told
"""


@settings(max_examples=60)
@given(refusals)
def test_the_script_slows_down_as_the_law_says(history: list[tuple[int, int, int]]) -> None:
    """Any history of refusals leaves the same pace in Lua and in Python."""
    server = fakeredis.FakeRedis(decode_responses=True)
    law = script_text("pause").partition("-- Lets nobody")[0]
    told: Any = server.eval(law + HISTORY, 1, "pace", *itertools.chain(*history))
    now, pace, expected = 0, None, []
    for after, age, pause in history:
        now += after
        expected.append(factor_of(pace, now / 1e6))
        pace = refused(pace, now_s=now / 1e6, age_s=age / 1e6, pause_s=pause / 1e6)
        expected.append(factor_of(pace, now / 1e6))
    assert [float(one) for one in told] == pytest.approx(expected, abs=1e-9)


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


async def test_a_grant_that_comes_too_late_is_exchanged() -> None:
    """Used late, it would fall into the same window as those that the log granted after it."""
    clock = DrowsyClock([0.0, 0.5, 0.0])
    limiter = MemoryLimiter(rate=parse_rate("2/s"), clock=clock)
    await limiter.acquire(2)
    await limiter.acquire()
    # The slot that was slept through is free again.
    assert (await limiter.state()).windows[0].used == 1
    assert limiter._log[0] == clock.monotonic()


async def test_a_machine_that_is_always_late_gets_on_all_the_same() -> None:
    """Throwing grants away for ever would be a standstill that nobody understands."""
    limiter = MemoryLimiter(rate=parse_rate("1/s"), clock=DrowsyClock([0.5]))
    for _ in range(3):
        await limiter.acquire()
