"""Row 17 of the notes' list: both windows, over the whole application."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.worlds import BOB, TurnedClock, a_body, a_world, an_event, calling
from worker.simulator.windows import Limiter, busiest

Arrivals = list[tuple[float, int]]
arrivals = st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), max_size=60)


async def test_the_limit_is_shared_by_all_tokens() -> None:
    """Row 17: the windows are the application's, not an account's."""
    async with calling(a_world(rate=((2, 1.0),))) as ann:
        assert (await ann.call("GET", "/v1/calendars"))[0] == 200
        ann.token = f"access-{BOB}"
        assert (await ann.call("GET", "/v1/calendars"))[0] == 200
        reply = await ann.send("GET", "/v1/calendars")
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")


async def test_both_windows_hold_and_slide() -> None:
    """Row 17: the minute holds when the second has room again, and frees what has left it."""
    clock = TurnedClock()
    async with calling(a_world(clock=clock, rate=((2, 1.0), (3, 60.0)))) as ann:
        seen = []
        for wait in (0, 0, 1, 1, 58, 1):
            clock.advance(wait)
            reply = await ann.send("GET", "/v1/calendars")
            seen.append((reply.status, reply.headers.get("Retry-After")))
        assert seen == [
            (200, None),
            (200, None),
            (200, None),
            (429, "58"),
            (200, None),
            (200, None),
        ]


async def test_retry_after_may_be_missing() -> None:
    """Row 17: no header is documented, so it can be switched off."""
    async with calling(a_world(rate=((1, 1.0),), retry_after=False)) as ann:
        await ann.call("GET", "/v1/calendars")
        assert "Retry-After" not in (await ann.send("GET", "/v1/calendars")).headers


async def test_refused_calls_count_only_where_switched_on() -> None:
    """Whether a 429 uses up the window is unknown."""
    for refused_count, last in ((False, 200), (True, 429)):
        clock = TurnedClock()
        switches = {"rate": ((1, 1.0),), "refused_count": refused_count}
        async with calling(a_world(clock=clock, **switches)) as ann:
            for wait, expected in ((0, 200), (0.6, 429), (0.6, last)):
                clock.advance(wait)
                assert (await ann.call("GET", "/v1/calendars"))[0] == expected


async def test_a_batch_costs_one_or_each_of_its_items() -> None:
    """Row 17: the cost of a batch is unknown, so it is a switch."""
    for counted, expected in (("one", 3), ("each", 30)):
        async with calling(a_world(an_event(), batch_counts_as=counted)) as ann:
            for _ in range(3):
                await ann.batch(*[a_body()] * 10)
            assert ann.sim.busiest(1.0) == expected
            assert [seen.weight for seen in ann.sim.requests] == [expected // 3] * 3


async def test_a_batch_heavier_than_the_window_never_passes() -> None:
    """A batch of sixty in a window of fifty is refused however long one waits."""
    async with calling(a_world(an_event(), batch_counts_as="each", rate=((20, 1.0),))) as ann:
        assert (await ann.batch(*[a_body()] * 21))[0] == 429
        assert ann.sim.writes == []


async def test_calls_without_a_good_token_count_and_token_calls_do_not() -> None:
    """The limit is at the door; the token endpoint lies outside /v1."""
    async with calling(a_world()) as ann:
        ann.token = "nobody"
        assert (await ann.call("GET", "/v1/calendars"))[0] == 401
        assert (await ann.call("POST", "/oauth/token", json={}))[0] == 400
        assert ann.sim.busiest(60) == 1
        ann.sim.behave(token_calls_count=True)
        await ann.call("POST", "/oauth/token", json={})
        assert ann.sim.busiest(60) == 2


async def test_busiest_tells_refused_calls_apart() -> None:
    """A test of a client's limiter wants to see both what passed and what knocked."""
    async with calling(a_world(rate=((2, 60.0),))) as ann:
        for _ in range(5):
            await ann.call("GET", "/v1/calendars")
        assert ann.sim.busiest(60) == 2
        assert ann.sim.busiest(60, refused=True) == 5


@given(arrivals)
def test_what_is_admitted_never_exceeds_a_window(asked: Arrivals) -> None:
    """Any arrivals: the granted ones stay within both windows, counted the slow way."""
    limiter, granted, now = Limiter(), [], 0.0
    for pause, weight in asked:
        now += pause
        if not limiter.admit(((6, 1.0), (12, 3.0)), weight, now, refused_count=False):
            granted.append((now, weight))
    for limit, span in ((6, 1.0), (12, 3.0)):
        assert all(_within(granted, end, span) <= limit for end, _ in granted)


@given(arrivals)
def test_busiest_equals_the_slow_count(asked: Arrivals) -> None:
    """The two-pointer count is the same as looking at every window."""
    times, now = [], 0.0
    for pause, weight in asked:
        now += pause
        times.append((now, weight))
    expected = max((_within(times, end, 1.0) for end, _ in times), default=0)
    assert busiest(times, 1.0) == expected


def _within(granted: Arrivals, end: float, span: float) -> int:
    return sum(weight for at, weight in granted if end - span < at <= end)
