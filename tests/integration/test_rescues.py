"""Chunks on which workers have died: run apart, cleared only by progress, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.integration.test_outage import come_back, go_down, make_due
from tests.world import ACCOUNT, World, a_world
from worker import engine
from worker.run import run_chunk
from worker.simulator import Fault
from worker.simulator.acts import Delay, Reply
from worker.simulator.faults import Match
from worker.verify import verify_account

pytestmark = pytest.mark.row(4)

VERIFIED = ("verified", "verified")


def fill(world: World, count: int) -> None:
    """Add an account with so many events."""
    world.add_account()
    for number in range(count):
        world.add_event(number)


def say_died(world: World, chunk_id: str, times: int) -> None:
    """Have so many workers died on a chunk."""
    with world.store.database.begin() as connection:
        sql = text("UPDATE chunks SET rescues = :times WHERE id = :id")
        connection.execute(sql, {"id": chunk_id, "times": times})


def rescues(world: World, chunk_id: str) -> int:
    """Return how often a chunk was rescued since it was last cleared."""
    with world.store.database.read() as connection:
        sql = text("SELECT rescues FROM chunks WHERE id = :id")
        return int(connection.execute(sql, {"id": chunk_id}).scalar_one())


def claimed(world: World) -> dict[str, int]:
    """Return how often each chunk has been claimed."""
    with world.store.database.read() as connection:
        return {row.id: row.epoch for row in connection.execute(text("SELECT * FROM chunks"))}


async def reached(done: Callable[[], object]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - no signal tells
            await asyncio.sleep(0.01)


async def test_two_suspects_are_never_in_hand_together(sqlite_url: str) -> None:
    """Not even claimed: the death of one would be counted against the other, and name its edit."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)
        campaign = world.submit(range(2), chunk_size=1)
        first, second = f"{campaign}.1", f"{campaign}.2"
        say_died(world, first, 2)
        say_died(world, second, 2)
        world.sim.faults.add(Fault(act=Delay(seconds=0.3), match=Match(route="events")))
        runs = [asyncio.create_task(run_chunk(world.engine, first))]
        await reached(lambda: world.sim.requests)
        runs.append(asyncio.create_task(run_chunk(world.engine, second)))
        await asyncio.sleep(0.1)
        assert claimed(world) == {first: 1, second: 0}

        assert await asyncio.gather(*runs) == ["verifying", "verifying"]
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


@pytest.mark.parametrize("deaths", [0, 1])
async def test_a_chunk_on_which_a_worker_died_takes_no_other_along(
    sqlite_url: str, deaths: int
) -> None:
    """Chunks without dates share one read; the next death would be counted against them all."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)
        campaign = world.submit(range(2), chunk_size=1, hinted=False)
        first, second = f"{campaign}.1", f"{campaign}.2"
        say_died(world, first, deaths)
        await run_chunk(world.engine, first)
        assert claimed(world) == {first: 1, second: 0 if deaths else 1}
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


async def test_a_suspect_that_waits_too_long_comes_back(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread is free for others meanwhile, and nothing is counted against it."""
    monkeypatch.setattr(engine, "ALONE_WITHIN_S", 0.01)
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        campaign = world.submit([0])
        chunk_id = f"{campaign}.1"
        say_died(world, chunk_id, 2)
        async with world.engine.quarantine.alone():
            assert await run_chunk(world.engine, chunk_id) == ""
            assert await run_chunk(world.engine, chunk_id) == ""
        assert claimed(world) == {chunk_id: 0}
        assert rescues(world, chunk_id) == 2
        make_due(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


async def test_two_suspects_are_never_read_back_together(sqlite_url: str) -> None:
    """The same for read-backs, in whatever accounts; the others' are not held up."""
    async with a_world(sqlite_url) as world:
        people = ("acc_a", "acc_b")
        for sub in people:
            world.add_account(sub, calendars=[f"cal_{sub}"])
            world.add_event(0, calendar_id=f"cal_{sub}")
            world.add_event(1, calendar_id=f"cal_{sub}")
        campaigns = {
            sub: world.submit(
                range(2), key=sub, account=sub, calendar_id=f"cal_{sub}", chunk_size=1
            )
            for sub in people
        }
        for campaign in campaigns.values():
            for number in (1, 2):
                await run_chunk(world.engine, f"{campaign}.{number}")
            say_died(world, f"{campaign}.1", 2)
        make_due(world)
        await asyncio.sleep(0.1)
        before = claimed(world)
        async with world.engine.quarantine.alone():
            runs = [asyncio.create_task(verify_account(world.engine, sub)) for sub in people]
            await asyncio.sleep(0.5)
            taken = {
                chunk_id for chunk_id, epoch in claimed(world).items() if epoch > before[chunk_id]
            }
            assert taken == {f"{campaign}.2" for campaign in campaigns.values()}

        # One has waited, for whom there was room; the other one comes back.
        assert sorted(await asyncio.gather(*runs)) == [1, 2]
        make_due(world)
        for campaign in campaigns.values():
            assert set((await world.drain(campaign)).values()) == {VERIFIED}


async def test_a_run_that_waits_clears_no_deaths_and_one_that_sends_does(sqlite_url: str) -> None:
    """An outage, a limit or a stop in between would let an edit kill for ever."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)
        campaign = world.submit(range(2))
        chunk_id = f"{campaign}.1"
        say_died(world, chunk_id, 2)
        go_down(world)
        assert await run_chunk(world.engine, chunk_id) == "pending"
        assert rescues(world, chunk_id) == 2

        come_back(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert rescues(world, chunk_id) == 0


async def test_a_stopped_run_clears_no_deaths(sqlite_url: str) -> None:
    """Whoever stops workers in turn must not keep a deadly edit from being found."""
    async with a_world(sqlite_url, rate="1/s") as world:
        fill(world, 2)
        campaign = world.submit(range(2))
        chunk_id = f"{campaign}.1"
        say_died(world, chunk_id, 2)
        run = asyncio.create_task(run_chunk(world.engine, chunk_id))
        await reached(lambda: world.sim.requests)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        assert rescues(world, chunk_id) == 2


async def test_deaths_use_up_no_edit_but_failing_writes_do(sqlite_url: str) -> None:
    """Attempts that died are the poison's business; the first that comes home ends the grace."""
    async with a_world(sqlite_url, settle=0.01) as world:
        fill(world, 1)
        campaign = world.submit([0])
        chunk_id = f"{campaign}.1"
        world.sim.faults.add(Fault(act=Reply(status=500), match=Match(route="edit", times=None)))
        await world.step()
        with world.store.database.begin() as connection:
            connection.execute(text("UPDATE edits SET attempts = 7"))
        say_died(world, chunk_id, 1)
        make_due(world)
        await asyncio.sleep(0.05)
        await world.step()
        assert len(world.sim.writes) == 2
        assert rescues(world, chunk_id) == 0

        make_due(world)
        assert await world.drain(campaign) == {2: ("failed", "upstream")}
        assert len(world.sim.writes) == 2


async def test_a_read_back_that_may_kill_is_made_for_one_chunk_alone(sqlite_url: str) -> None:
    """Its next death must not be counted against all of the account's chunks."""
    async with a_world(sqlite_url) as world:
        fill(world, 3)
        campaign = world.submit(range(3), chunk_size=1)
        for number in (1, 2, 3):
            await run_chunk(world.engine, f"{campaign}.{number}")
        say_died(world, f"{campaign}.2", 2)
        make_due(world)
        await asyncio.sleep(0.1)

        reads = len(world.sim.requests)

        assert await verify_account(world.engine, ACCOUNT) == 3

        assert len(world.sim.requests) - reads == 2
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
