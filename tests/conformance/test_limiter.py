"""Every limiter keeps the same promises: in memory, on a Redis imitation, on the real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
import redis
from fakeredis import FakeAsyncRedis

from tests.conftest import ACL
from worker.clock import ManualClock, SystemClock
from worker.embedded import ACL_USER, ValkeyServer, valkey_server
from worker.errors import LimiterUnavailable, SettingsError
from worker.limits import (
    Limiter,
    MemoryLimiter,
    RedisLimiter,
    WaitTooLong,
    open_limiter,
    parse_rate,
    shared,
)
from worker.limits.base import MARGIN_S
from worker.rules import Turn

Make: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["memory", "imitation", pytest.param("valkey", marks=pytest.mark.redis)])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes a limiter of each kind; a log of its own, and no wait at its birth."""
    async with AsyncExitStack() as stack:

        def made(
            rate: str, share: float = 1.0, *, turned: bool = True, margin_s: float = MARGIN_S
        ) -> Limiter:
            limiter: Limiter
            more: dict[str, Any] = {"rate": parse_rate(rate), "share": share, "margin_s": margin_s}
            if request.param == "memory":
                clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)) if turned else SystemClock()
                limiter = MemoryLimiter(clock=clock, **more)
            elif request.param == "imitation":
                client = FakeAsyncRedis(decode_responses=True)
                limiter = RedisLimiter(client, settle_s=0, **more)
            else:
                url = request.getfixturevalue("redis_url")
                limiter = open_limiter(url, settle_s=0, **more)
            stack.push_async_callback(limiter.aclose)
            return limiter

        yield made


async def refused(limiter: Limiter, weight: int = 1, *, timeout_s: float = 0) -> float:
    """Returns the wait that a refusal names."""
    with pytest.raises(WaitTooLong) as caught:
        await limiter.acquire(weight, timeout_s=timeout_s)
    return caught.value.wait_s


async def is_refused(limiter: Limiter) -> bool:
    """Tells whether nothing is granted at once."""
    try:
        await limiter.acquire(timeout_s=0)
    except WaitTooLong:
        return True
    return False


URGENT = Turn(urgent=True)

#: A grant that comes later than the margin is exchanged: where grants are counted to the last one,
#: a machine that stalls for a moment must not move one.
CALM_S = 5.0


class TestGrants:
    """What is granted, and what is not."""

    async def test_a_full_window_grants_nothing_more(self, make: Make) -> None:
        """This is the limit."""
        limiter = make("3/min", margin_s=CALM_S)
        for _ in range(3):
            await limiter.acquire(timeout_s=0)
        assert 50 < await refused(limiter) <= 60 + CALM_S

    async def test_a_weight_counts_as_many_grants(self, make: Make) -> None:
        """A batch of edits may cost as many requests as it has entries."""
        limiter = make("10/min", margin_s=CALM_S)
        await limiter.acquire(7, timeout_s=0)
        assert await refused(limiter, 4) > 50
        await limiter.acquire(3, timeout_s=0)
        await refused(limiter)

    async def test_all_windows_hold_at_once(self, make: Make) -> None:
        """A burst within the second must not hide that the minute is used up."""
        limiter = make("2/s,3/min")
        await limiter.acquire(2, timeout_s=0)
        assert 0 < await refused(limiter) <= 1.1
        assert await limiter.acquire() > 0
        assert await refused(limiter) > 50

    async def test_a_share_leaves_the_rest_to_the_application(self, make: Make) -> None:
        """The application's own calls go through the same limit."""
        limiter = make("10/min", 0.7, margin_s=CALM_S)
        assert limiter.max_weight == 7
        await limiter.acquire(7, timeout_s=0)
        await refused(limiter)

    async def test_the_smallest_window_bounds_the_weight(self, make: Make) -> None:
        """Whoever forms batches asks for the most that can ever be granted, to anybody."""
        assert make("50/s,500/min", 0.7).max_weight == 34
        assert make("20/s,500/min").max_weight == 20

    @pytest.mark.parametrize("weight", [-1, 0, 11])
    async def test_a_weight_that_can_never_be_granted_is_refused(
        self, make: Make, weight: int
    ) -> None:
        """It would wait for ever."""
        with pytest.raises(ValueError, match=f"weight of {weight}"):
            await make("10/min").acquire(weight)

    async def test_unlimited_grants_everything_but_within_a_pause(self, make: Make) -> None:
        """Benchmarks run without windows; a pause still holds."""
        limiter = make("unlimited")
        await limiter.acquire(limiter.max_weight, timeout_s=0)
        await limiter.acquire(limiter.max_weight, timeout_s=0)
        await limiter.pause(30)
        assert await refused(limiter) > 20

    async def test_waiters_are_served_in_their_order(self, make: Make) -> None:
        """First come, first served, also with a heavy one among them."""
        limiter, served = make("20/s", turned=False), []

        async def wait(number: int) -> None:
            await limiter.acquire(15 if number == 3 else 4)
            served.append(number)

        await asyncio.gather(*(wait(number) for number in range(8)))
        # 12 fit at once; the heavy one and the next come together, then the light ones behind.
        assert (set(served[:3]), set(served[3:5])) == ({0, 1, 2}, {3, 4})

    async def test_a_deadline_counts_behind_others_in_the_line(self, make: Make) -> None:
        """Nobody waits behind one who is known to get nothing in time."""
        limiter = make("2/min", turned=False)
        await limiter.acquire(2)
        head = asyncio.create_task(limiter.acquire())
        async with asyncio.timeout(10):
            while await refused(limiter, timeout_s=0.01) < 50:  # noqa: ASYNC110  no event outside
                await asyncio.sleep(0)
        head.cancel()

    async def test_a_cancelled_waiter_does_not_block_the_line(self, make: Make) -> None:
        """A worker that stops takes only itself out of the line."""
        limiter = make("10/s")
        await limiter.acquire(10)
        waiters = [asyncio.create_task(limiter.acquire(10)) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[1].cancel()
        done = await asyncio.gather(*waiters, return_exceptions=True)
        assert [isinstance(waited, float) for waited in done] == [True, False, True]


class TestTurns:
    """Who is next, and what is kept free for whom."""

    async def test_campaigns_take_turns(self, make: Make) -> None:
        """One that comes behind a large one needs not wait for its end."""
        limiter, served = make("2/s", turned=False), []

        async def wait(campaign: str) -> None:
            await limiter.acquire(turn=Turn(campaign=campaign))
            served.append(campaign)

        await limiter.acquire(2)
        await asyncio.gather(*(wait(campaign) for campaign in ["large"] * 4 + ["small"] * 2))
        assert served.index("small") <= 2
        assert sorted(served[:4]) == ["large", "large", "small", "small"]

    async def test_a_person_need_not_wait_for_the_next_minute(self, make: Make) -> None:
        """Bulk has spent all that it may of it; a small reserve is left."""
        limiter = make("100/min", margin_s=CALM_S)
        await limiter.acquire(98, timeout_s=0)
        assert await refused(limiter) > 50
        await limiter.acquire(2, timeout_s=0, turn=URGENT)
        with pytest.raises(WaitTooLong):
            await limiter.acquire(timeout_s=0, turn=URGENT)

    async def test_a_person_goes_before_a_batch_that_has_reserved_ahead(self, make: Make) -> None:
        """The room for it takes seconds to come; what is free meanwhile is for whoever waits."""
        limiter = make("100/4s", turned=False)
        await limiter.acquire(40)
        await limiter.acquire(58)
        batch = asyncio.create_task(limiter.acquire(40))
        while (await limiter.state()).windows[0].used == 98:  # noqa: ASYNC110  no event outside
            await asyncio.sleep(0.05)
        await limiter.acquire(timeout_s=0, turn=URGENT)
        assert not batch.done()
        batch.cancel()


class TestGivenBack:
    """What is reserved and not used is free for others."""

    async def test_a_cancelled_sleeper_gives_its_slot_back(self, make: Make) -> None:
        """A run that ends at an error must not waste what it has reserved."""
        limiter = make("2/s", turned=False)
        await limiter.acquire(2)
        sleeper = asyncio.create_task(limiter.acquire())
        async with asyncio.timeout(10):
            while (await limiter.state()).windows[0].used == 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert not sleeper.done()
            sleeper.cancel()
            while (await limiter.state()).windows[0].used == 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


class TestSlower:
    """The API refuses calls although we keep within our share."""

    async def test_a_refusal_slows_everybody_down(self, make: Make) -> None:
        """Somebody else uses the application's limit as well."""
        limiter = make("10/min", margin_s=CALM_S)
        assert (await limiter.state()).factor == 1
        await limiter.pause(0, age_s=0.1)
        assert 0.8 <= (await limiter.state()).factor < 0.85
        await limiter.acquire(8, timeout_s=0)
        assert await refused(limiter) > 50

    async def test_a_burst_of_refusals_slows_down_once(self, make: Make) -> None:
        """Sixteen calls were under way: their refusals are one."""
        limiter = make("10/min")
        for age_s in (0.1, 0.2, 0.3):
            await limiter.pause(0.05, age_s=age_s)
        assert (await limiter.state()).factor >= 0.8

    async def test_a_pause_alone_slows_nobody_down(self, make: Make) -> None:
        """An operator's pause says nothing about the rate."""
        limiter = make("10/min")
        await limiter.pause(0.05)
        assert (await limiter.state()).factor == 1

    async def test_what_fits_shrinks_with_the_rate(self, make: Make) -> None:
        """Batches are formed by it: one above the API's real limit would never be let through."""
        limiter = make("40/s,500/min", margin_s=CALM_S)
        assert limiter.weight_now == limiter.max_weight == 39
        await limiter.pause(0, age_s=0)
        await limiter.acquire(1)
        assert 31 <= limiter.weight_now <= 33
        assert limiter.max_weight == 39

    async def test_everything_fits_where_nothing_is_limited(self, make: Make) -> None:
        """There is no window to be slowed down."""
        limiter = make("unlimited")
        await limiter.pause(0, age_s=0)
        await limiter.acquire(1)
        assert limiter.weight_now == limiter.max_weight

    async def test_a_batch_heavier_than_the_slower_rate_still_gets_through(
        self, make: Make
    ) -> None:
        """It goes alone in its window: or everybody behind it would wait for ever."""
        limiter = make("10/s")
        for _ in range(4):
            await limiter.pause(0, age_s=0)
        assert (await limiter.state()).factor < 0.5
        await limiter.acquire(10)
        await limiter.acquire(10)


class TestPause:
    """One refusal by the API stops everybody."""

    async def test_nobody_is_granted_anything_in_a_pause(self, make: Make) -> None:
        """A 429 concerns the whole application."""
        limiter = make("10/s")
        await limiter.pause(30)
        assert 20 < await refused(limiter, timeout_s=5) <= 30

    async def test_a_pause_is_never_shortened(self, make: Make) -> None:
        """Two workers see two Retry-After: the longer one holds."""
        limiter = make("10/s")
        await limiter.pause(30)
        await limiter.pause(1)
        assert await refused(limiter) > 20

    @pytest.mark.parametrize("seconds", [1e9, float("inf")])
    async def test_a_huge_pause_is_clamped(self, make: Make, seconds: float) -> None:
        """A mistaken Retry-After must not stop a campaign for years."""
        limiter = make("10/s")
        await limiter.pause(seconds)
        assert 290 < (await limiter.state()).paused_for_s <= 300

    @pytest.mark.parametrize("seconds", [0, -5, float("nan")])
    async def test_a_pause_of_nothing_is_none(self, make: Make, seconds: float) -> None:
        """A Retry-After in the past asks for no wait."""
        limiter = make("10/s")
        await limiter.pause(seconds)
        await limiter.acquire(timeout_s=0)

    async def test_a_slot_reserved_before_the_pause_waits_it_out(self, make: Make) -> None:
        """Whoever sleeps until its slot must not wake up into the pause."""
        limiter = make("4/s", 0.5)
        await limiter.acquire(2)
        sleeper = asyncio.create_task(limiter.acquire())
        while (await limiter.state()).windows[0].used == 2:  # noqa: ASYNC110  no event outside
            await asyncio.sleep(0)
        assert not sleeper.done()
        await limiter.pause(1.5)
        await sleeper
        assert (await limiter.state()).paused_for_s == 0


class TestState:
    """What an operator sees."""

    async def test_it_names_limits_shares_and_use(self, make: Make) -> None:
        """Whether the tool waits for the limit or for something else is the first question."""
        limiter = make("10/s,40/min", 0.5)
        await limiter.acquire(4)
        seen = await limiter.state()
        assert [(w.limit, w.granted, w.used, w.seconds) for w in seen.windows] == [
            (10, 5, 4, 1),
            (40, 20, 4, 60),
        ]
        assert (seen.paused_for_s, seen.waiting) == (0, 0)

    async def test_it_says_when_the_next_grant_is_free(self, make: Make) -> None:
        """A progress line can show how long the wait is."""
        limiter = make("2/min")
        assert (await limiter.state()).free_in_s == 0
        await limiter.acquire(2)
        assert 50 < (await limiter.state()).free_in_s <= 60.1


@pytest.fixture
async def opened(redis_url: str) -> AsyncIterator[Callable[..., RedisLimiter]]:
    """Opens limiters as several processes would: own connections, one log."""
    async with AsyncExitStack() as stack:

        def another(rate: str, url: str = redis_url, **options: Any) -> RedisLimiter:
            options = {"share": 1.0, "settle_s": 0} | options
            limiter = open_limiter(url, rate=parse_rate(rate), **options)
            stack.push_async_callback(limiter.aclose)
            return limiter

        yield another


@pytest.fixture
def server() -> Any:
    """A Valkey to break."""
    with valkey_server(acl=ACL) as own:
        yield own


def admin_of(url: str) -> str:
    """Returns the address of the user with all rights, whose password is the same here."""
    return url.replace(f"//{ACL_USER}:", "//:")


def told(url: str, *command: str) -> Any:
    """Sends one command beside the limiter, as one who may send any."""
    with redis.Redis.from_url(admin_of(url), decode_responses=True) as client:
        return client.execute_command(*command)


def calls(url: str, command: str) -> int:
    """Returns how often the server ran a command."""
    with redis.Redis.from_url(admin_of(url)) as client:
        stats: Any = client.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.mark.redis
class TestShared:
    """What only a log on a server can do."""

    async def test_all_processes_share_one_limit_and_one_pause(self, opened: Make) -> None:
        """The limit is the application's, not the process's."""
        first, second = opened("10/min"), opened("10/min")
        await first.acquire(10)
        assert await refused(second) > 50
        await first.pause(200)
        assert await refused(second) > 150

    async def test_lanes_with_other_shares_use_the_same_log(self, opened: Make) -> None:
        """Interactive edits find room that bulk may not take."""
        bulk, interactive = opened("10/min", share=0.7), opened("10/min")
        await bulk.acquire(7)
        await refused(bulk)
        await interactive.acquire(3, timeout_s=0)
        await refused(interactive)

    async def test_other_names_are_other_limits(self, opened: Make) -> None:
        """Two applications may share a server."""
        await opened("1/min").acquire()
        await opened("1/min", name="other").acquire(timeout_s=0)

    async def test_a_heavy_one_is_not_starved_by_light_ones_elsewhere(self, opened: Make) -> None:
        """A batch of 35 needs room that single reads would take slot by slot."""
        light, heavy, reads = opened("20/s"), opened("20/s"), []

        async def read_for_ever() -> None:
            while True:
                reads.append(await light.acquire())

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            readers = [group.create_task(read_for_ever()) for _ in range(40)]
            for _ in range(4):
                await heavy.acquire(18)
            for reader in readers:
                reader.cancel()
        # Each heavy one leaves room for two; without its look-ahead the reads take whole windows.
        assert len(reads) <= 4 * 8

    @pytest.mark.parametrize("steps", range(0, 60, 2))
    async def test_a_cancellation_is_never_lost(self, opened: Make, steps: int) -> None:
        """A client library that swallows one, while it sends, lets a stopping worker run on."""
        limiter = opened("1000/s")

        async def send_for_ever() -> None:
            while True:
                await limiter.acquire()

        sender = asyncio.create_task(send_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        sender.cancel()
        assert await asyncio.wait([sender], timeout=5) == ({sender}, set())
        assert sender.cancelled()

    async def test_a_grant_is_one_call_whatever_its_weight(
        self, opened: Make, redis_url: str
    ) -> None:
        """The limiter must not be what limits."""
        limiter = opened("100/min")
        await limiter.acquire()
        before = calls(redis_url, "evalsha"), calls(redis_url, "lpush")
        await limiter.acquire(50)
        assert calls(redis_url, "evalsha") - before[0] == 1
        assert calls(redis_url, "lpush") - before[1] == 1

    async def test_waiting_does_not_poll(self, opened: Make, redis_url: str) -> None:
        """Many waiters cost the server no more than their grants do."""
        limiter = opened("20/s")
        await limiter.acquire()
        before = calls(redis_url, "evalsha")
        await asyncio.gather(*(limiter.acquire() for _ in range(60)))
        assert calls(redis_url, "evalsha") - before <= 2 * 60

    async def test_without_a_limit_redis_is_asked_for_pauses_only(
        self, opened: Make, redis_url: str
    ) -> None:
        """A raised limit must not make the limiter what limits."""
        limiter, other = opened("unlimited"), opened("unlimited")
        await limiter.acquire()
        before = calls(redis_url, "evalsha")
        for _ in range(200):
            await limiter.acquire()
        assert calls(redis_url, "evalsha") - before <= 20
        await other.pause(30)
        async with asyncio.timeout(5):
            while not await is_refused(limiter):  # noqa: ASYNC110  no event outside
                await asyncio.sleep(0.01)

    async def test_a_pause_frees_what_was_reserved(self, opened: Make) -> None:
        """Sleepers exchange their slots; the pause costs its own length and no more."""
        limiter = opened("10/s")
        await limiter.acquire(10)
        sleepers = [asyncio.create_task(limiter.acquire()) for _ in range(5)]
        async with asyncio.timeout(20):
            while (await limiter.state()).windows[0].used == 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await limiter.pause(2)
            await asyncio.gather(*sleepers)
        assert (await limiter.state()).windows[0].used == 5

    async def test_nothing_about_anybody_is_in_the_keys(self, opened: Make, redis_url: str) -> None:
        """Redis holds times and tokens, under one hash tag."""
        limiter = opened("10/s")
        await limiter.acquire()
        await limiter.pause(1, age_s=0)
        keys = told(redis_url, "KEYS", "*")
        parts = ("born", "log", "pace", "pause")
        assert sorted(keys) == [f"calpatch:{{cronofy}}:{part}" for part in parts]
        assert told(redis_url, "PTTL", "calpatch:{cronofy}:pace") <= 120_000

    async def test_the_log_stays_small(self, opened: Make, redis_url: str) -> None:
        """It keeps no more slots than the largest window can ask about."""
        limiter = opened("30/s", margin_s=0)
        for _ in range(4):
            await limiter.acquire(30)
        assert told(redis_url, "LLEN", "calpatch:{cronofy}:log") <= 60
        await limiter.acquire()
        assert told(redis_url, "LLEN", "calpatch:{cronofy}:log") <= 31


@pytest.mark.redis
class TestLoss:
    """Redis may lose everything; the limit holds."""

    @pytest.mark.parametrize("lost", ["log", "born", "everything", "scripts"])
    async def test_a_lost_log_is_put_back(self, opened: Make, redis_url: str, lost: str) -> None:
        """After a flush the API still remembers what we sent; so do we."""
        limiter = opened("10/min")
        await limiter.acquire(8)
        match lost:
            case "everything":
                told(redis_url, "FLUSHALL")
            case "scripts":
                told(redis_url, "SCRIPT", "FLUSH")
            case key:
                told(redis_url, "DEL", f"calpatch:{{cronofy}}:{key}")
        assert await refused(limiter, 3) > 50
        await limiter.acquire(2, timeout_s=0)
        await refused(limiter)

    async def test_an_idle_process_puts_its_grants_back(self, opened: Make, redis_url: str) -> None:
        """A fresh process after a flush must not take what an idle one has used."""
        idle = opened("10/min")
        await idle.acquire(8)
        told(redis_url, "FLUSHALL")
        fresh = opened("10/min", settle_s=shared.SETTLE_S)
        assert await refused(fresh, 3, timeout_s=5) > 50
        await fresh.acquire(2, timeout_s=5)

    async def test_all_processes_put_their_grants_back_once(
        self, opened: Make, redis_url: str
    ) -> None:
        """Putting back is a union: neither lost nor counted twice."""
        limiters = [opened("30/min", settle_s=shared.SETTLE_S) for _ in range(3)]
        for limiter in limiters:
            await limiter.acquire(6)
        told(redis_url, "FLUSHALL")
        await asyncio.gather(*(limiter.acquire(2) for limiter in limiters))
        assert (await limiters[0].state()).windows[0].used == 24

    @pytest.mark.row(6)
    async def test_a_new_log_grants_nothing_though_its_pause_is_lost(
        self, opened: Make, redis_url: str
    ) -> None:
        """Keys may be lost one after the other: the wait for everybody's grants is in the log."""
        fresh = opened("10/min", settle_s=5)
        assert await is_refused(fresh)
        told(redis_url, "DEL", "calpatch:{cronofy}:pause")
        assert await is_refused(fresh)

    @pytest.mark.row(6)
    async def test_a_log_that_is_lost_while_grants_are_put_back_is_a_new_one(
        self, opened: Make, redis_url: str
    ) -> None:
        """Whoever puts its own grants into an empty log must not hide that others' are missing."""
        one, other = (opened("10/min", settle_s=shared.SETTLE_S) for _ in range(2))
        await one.acquire(4, timeout_s=5)
        await other.acquire(4, timeout_s=5)
        told(redis_url, "DEL", "calpatch:{cronofy}:log")
        one._reconnected.set()
        assert await refused(one, 3, timeout_s=5) > 50

    async def test_a_log_without_its_newest_slots_is_mended(
        self, opened: Make, redis_url: str
    ) -> None:
        """A restart from a file, or a replica that takes over, may miss the last second."""
        limiter = opened("10/min")
        await limiter.acquire(2)
        await limiter.acquire(6)
        told(redis_url, "LTRIM", "calpatch:{cronofy}:log", "6", "-1")
        told(redis_url, "CLIENT", "KILL", "TYPE", "normal")
        assert await refused(limiter, 3) > 50

    async def test_the_look_for_a_lost_log_ends_with_the_grants(self, opened: Make) -> None:
        """An idle process asks Redis nothing once its grants are too old to matter."""
        limiter = opened("5/s")
        await limiter.acquire()
        async with asyncio.timeout(10):
            await limiter._watcher
        assert not limiter._own
        await limiter.acquire(timeout_s=0)

    async def test_the_limit_holds_over_a_restart(self, opened: Make, server: ValkeyServer) -> None:
        """Connections are stale, scripts and log are gone: the same limiter goes on."""
        limiter = opened("10/min", server.user_url)
        await asyncio.gather(*(limiter.acquire() for _ in range(8)))
        server.kill()
        server.restart()
        assert await refused(limiter, 3) > 50
        await limiter.acquire(2, timeout_s=0)

    async def test_without_a_server_nothing_is_granted(
        self, opened: Make, server: ValkeyServer
    ) -> None:
        """Fail closed: no limiter, no call; and again when it is back."""
        limiter = opened("10/min", server.user_url)
        server.kill()
        for ask in (limiter.acquire, limiter.state, lambda: limiter.pause(1)):
            with pytest.raises(LimiterUnavailable):
                await ask()
        server.restart()
        await limiter.acquire()

    async def test_a_frozen_server_fails_the_whole_line_at_once(
        self, opened: Make, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Sixteen waiters must not wait out sixteen timeouts in turn; deadlines hold meanwhile."""
        monkeypatch.setattr(shared, "ANSWER_TIMEOUT_S", 0.3)
        limiter = opened("100/min", server.user_url)
        await limiter.acquire()
        server.pause()
        waiters = [asyncio.create_task(limiter.acquire()) for _ in range(16)]
        await asyncio.sleep(0)
        await refused(limiter, timeout_s=0.05)
        failed = await asyncio.gather(*waiters, return_exceptions=True)
        assert all(isinstance(error, LimiterUnavailable) for error in failed)
        assert sum(error.__cause__ is not None for error in failed if error) == 1
        server.resume()
        await limiter.acquire()

    async def test_errors_name_the_next_step_and_no_secret(
        self, opened: Make, server: ValkeyServer
    ) -> None:
        """The address holds the password."""
        limiter = opened("10/s", f"redis://:hunter2@127.0.0.1:{server.port}/0")
        with pytest.raises(LimiterUnavailable) as caught:
            await limiter.acquire()
        assert "CALPATCH_REDIS_URL" in str(caught.value)
        assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"

    def test_a_malformed_address_is_a_setting_to_correct(self) -> None:
        """It is found at the start, not at the first call, and not repeated in the message."""
        with pytest.raises(SettingsError) as caught:
            open_limiter("http://:hunter2@host", rate=parse_rate("1/s"), share=1.0)
        assert "hunter2" not in str(caught.value)
