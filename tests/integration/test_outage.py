"""Outages of the API: they cost time, and no edit; while nobody answers, nothing leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.world import ACCOUNT, World, a_world
from worker.clock import SystemClock
from worker.model import AccountStatus, EditState
from worker.report import Pace, take_snapshot, why_it_waits
from worker.rules import breaker
from worker.run import run_chunk
from worker.simulator import Fault
from worker.simulator.acts import Act, Garbage, Hang, Reply, Reset
from worker.simulator.faults import Match
from worker.simulator.tokens import expire
from worker.verify import verify_account

pytestmark = pytest.mark.row(11)

VERIFIED = ("verified", "verified")
UPSTREAM = ("failed", "upstream")
#: more than an edit has attempts
OFTEN = 8
DOWN = Reply(status=503)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have probes follow each other faster, in the same proportions."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_S", 0.15)
    monkeypatch.setattr(breaker, "LEAST_WAIT_S", 0.01)


def fill(world: World, count: int = 3) -> None:
    """Add an account with so many events."""
    world.add_account()
    for number in range(count):
        world.add_event(number)


def go_down(world: World, act: Act = DOWN, *, after: int = 0) -> None:
    """Have every call fail from now on, after so many more."""
    world.sim.faults.add(Fault(act=act, match=Match(route="any", times=None, after=after)))


def come_back(world: World) -> None:
    """Have all calls answered again."""
    world.sim.faults.clear()


def make_due(world: World) -> None:
    """Let no chunk wait for its time."""
    with world.store.database.begin() as connection:
        past = "'2000-01-01 00:00:00.000000'"
        connection.execute(text("UPDATE chunks SET dispatched_at = NULL"))
        connection.execute(
            text(f"UPDATE chunks SET retry_at = {past} WHERE state IN ('pending', 'verifying')")
        )


async def rounds(world: World, count: int = OFTEN) -> None:
    """Do so many rounds in which every chunk has its turn, and a probe is due."""
    for _ in range(count):
        await world.step()
        make_due(world)
        await asyncio.sleep(0.03)


def attempts(world: World, campaign: str) -> int:
    """Return the most attempts that any edit has used up."""
    return max(one.attempts for one in world.store.reading.outcomes(campaign))


def states(world: World, campaign: str) -> set[EditState]:
    return {one.state for one in world.store.reading.outcomes(campaign)}


ACTS: list[Act] = [
    DOWN,
    Reply(status=302, headers={"Location": "/maintenance"}),
    Reset(),
    Garbage(taken=False),
    Reply(status=200, body="<html>We will be back soon</html>"),
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: repr(act)[:40])
@pytest.mark.parametrize("after", range(4))
async def test_an_outage_of_any_length_fails_nobody(
    sqlite_url: str, quick: None, act: Act, after: int
) -> None:
    """It may begin before the calendars, the events, the write or the proof: time is all it costs.

    However often a chunk has its turn meanwhile, and although time for a proof runs out.
    """
    async with a_world(sqlite_url, verify_within=0.3, settle=0.05) as world:
        fill(world)
        go_down(world, act, after=after)
        campaign = world.submit(range(3))
        await rounds(world, 2 * OFTEN)

        assert states(world, campaign) <= {
            EditState.PENDING, EditState.SENDING, EditState.ACCEPTED,
        }  # fmt: skip
        assert attempts(world, campaign) <= 1

        come_back(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.shift_of(number) == timedelta(hours=1) for number in range(3))
        assert all(world.writes_to(number) == 1 for number in range(3))
        world.audit_run()


async def test_an_api_that_hangs_is_an_outage_as_well(sqlite_url: str, quick: None) -> None:
    """No answer at all, until everybody's patience is over."""
    async with a_world(sqlite_url) as world:
        fill(world)
        go_down(world, Hang())
        campaign = world.submit(range(3))
        await world.step()

        assert attempts(world, campaign) == 0

        come_back(world)
        make_due(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


async def test_nothing_leaves_while_nobody_answers(sqlite_url: str) -> None:
    """Chunks, read-backs and refreshes are refused here, before they take a slot of the limit."""
    async with a_world(sqlite_url) as world:
        fill(world)
        done = world.submit([0], key="done")
        await world.step()
        go_down(world)
        campaign = world.submit([1, 2], key="waits", chunk_size=1)
        await run_chunk(world.engine, f"{campaign}.1")
        assert not world.engine.client._breakers.of(world.url).is_closed
        expire(world.sim, world.sim.accounts[ACCOUNT])
        make_due(world)
        asked = len(world.sim.requests)

        for _ in range(OFTEN):
            assert await run_chunk(world.engine, f"{campaign}.2") == "pending"
            assert await verify_account(world.engine, ACCOUNT) == 0
            make_due(world)

        assert len(world.sim.requests) == asked
        come_back(world)
        for one in (done, campaign):
            assert set((await world.drain(one)).values()) == {VERIFIED}


def flaps() -> Iterator[int]:
    """Yield after how many calls the API goes away each time: at each kind of call in turn."""
    for turn in range(3 * OFTEN):
        yield turn % 3


async def test_an_api_that_flaps_fails_nobody(sqlite_url: str, quick: None) -> None:
    """Each time it goes away amid something else: no edit is charged for the API's comings."""
    async with a_world(sqlite_url, settle=0.01) as world:
        fill(world)
        campaign = world.submit(range(3))
        for after in flaps():
            come_back(world)
            await asyncio.sleep(0.03)
            go_down(world, after=after)
            make_due(world)
            await world.step()

        assert states(world, campaign) <= {EditState.PENDING, EditState.SENDING}
        assert attempts(world, campaign) <= 1
        come_back(world)
        make_due(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        world.audit_run()


async def test_one_bad_account_holds_up_nobody(sqlite_url: str) -> None:
    """Its reads fail for ever, and its edits in the end: the others never wait for that."""
    async with a_world(sqlite_url) as world:
        fill(world)
        world.add_account("acc_2", calendars=["cal_2"])
        for number in range(3):
            world.add_event(number, calendar_id="cal_2")
        world.sim.faults.add(Fault(act=DOWN, match=Match(route="events", sub="acc_2", times=None)))
        bad = world.submit(range(3), key="bad", account="acc_2", calendar_id="cal_2")
        good = world.submit(range(3), key="good")

        assert set((await world.drain(good)).values()) == {VERIFIED}
        assert not any(state == "failed" for state, _ in world.outcomes(bad).values())
        assert set((await world.drain(bad, within_s=60)).values()) == {UPSTREAM}


async def test_many_bad_accounts_at_once_end_all_the_same(sqlite_url: str, quick: None) -> None:
    """Enough to open the circuit each time: the first probe says at once that it is not the API."""
    async with a_world(sqlite_url) as world:
        names = [f"acc_{number}" for number in range(8)]
        for name in names:
            world.add_account(name, calendars=[f"cal_{name}"])
            world.add_event(1, calendar_id=f"cal_{name}")
        world.sim.faults.add(Fault(act=DOWN, match=Match(route="events", times=None)))
        campaigns = [
            world.submit([1], key=name, account=name, calendar_id=f"cal_{name}") for name in names
        ]
        for _ in range(OFTEN):
            await world.step()
            make_due(world)

        for campaign in campaigns:
            assert await world.drain(campaign) == {2: UPSTREAM}


async def test_an_outage_amid_a_refresh_costs_no_account(sqlite_url: str, quick: None) -> None:
    """The refresh lease is dropped, nobody is parked or lost, and one refresh does afterwards."""
    async with a_world(sqlite_url) as world:
        fill(world)
        world.sim.behave(rotate_refresh_tokens=True)
        expire(world.sim, world.sim.accounts[ACCOUNT])
        go_down(world)
        campaign = world.submit(range(3))
        await rounds(world)

        account = world.store.accounts.get(ACCOUNT)
        assert account is not None
        assert account.status is AccountStatus.ACTIVE
        with world.store.database.read() as connection:
            held = connection.execute(text("SELECT refresh_until FROM accounts")).scalar_one()
        assert held is None
        assert attempts(world, campaign) == 0

        come_back(world)
        asked = sum(one.route == "token" for one in world.sim.requests)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert sum(one.route == "token" for one in world.sim.requests) == asked + 1


# ---------------------------------------------------------------- proof


def grow_old(world: World, *, proofs: int) -> None:
    """Have edits been accepted long ago, and read back so often in vain."""
    with world.store.database.begin() as connection:
        connection.execute(text("UPDATE edits SET accepted_at = '2000-01-01 00:00:00.000000'"))
        connection.execute(text(f"UPDATE chunks SET proofs = {proofs}"))


@pytest.mark.parametrize("is_back_from_an_outage", [False, True])
async def test_the_first_read_after_an_outage_is_not_the_last_word(
    sqlite_url: str, quick: None, *, is_back_from_an_outage: bool
) -> None:
    """What was accepted before may be applied only after it, a moment later."""
    async with a_world(sqlite_url, verify_within=900.0) as world:
        world.sim.behave(lag_s=3600.0)
        fill(world, 1)
        campaign = world.submit([0])
        await world.step()
        grow_old(world, proofs=9)
        make_due(world)
        if is_back_from_an_outage:
            go_down(world)
            await verify_account(world.engine, ACCOUNT)
            assert states(world, campaign) == {EditState.ACCEPTED}
            come_back(world)
            await asyncio.sleep(0.05)
            make_due(world)
        await verify_account(world.engine, ACCOUNT)
        if not is_back_from_an_outage:
            assert world.outcomes(campaign) == {2: ("mismatch", "no_effect")}
            return

        assert states(world, campaign) == {EditState.ACCEPTED}
        world.sim.settle(all_of_them=True)
        make_due(world)
        assert await world.drain(campaign) == {2: VERIFIED}


async def test_a_read_back_that_nobody_answers_is_no_try(sqlite_url: str) -> None:
    """The very first one of an outage neither."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        world.submit([0])
        await world.step()
        go_down(world)
        make_due(world)
        await verify_account(world.engine, ACCOUNT)

        with world.store.database.read() as connection:
            assert connection.execute(text("SELECT proofs FROM chunks")).scalar_one() == 0


@pytest.mark.parametrize(("proofs", "state"), [(1, "accepted"), (2, "mismatch")])
async def test_time_alone_ends_no_proof(sqlite_url: str, proofs: int, state: str) -> None:
    """Too few have been made as long as nobody was there to make them, or to answer."""
    async with a_world(sqlite_url, verify_within=900.0) as world:
        world.sim.behave(lag_s=3600.0)
        fill(world, 1)
        campaign = world.submit([0])
        await world.step()
        grow_old(world, proofs=proofs)
        make_due(world)
        await verify_account(world.engine, ACCOUNT)

        assert states(world, campaign) == {state}


async def test_a_limiter_that_is_away_is_no_try_of_a_proof(sqlite_url: str) -> None:
    """Nothing was asked, so nothing has been tried."""
    async with a_world(sqlite_url, verify_within=0.01) as world:
        fill(world, 1)
        campaign = world.submit([0])
        await world.step()
        await world.engine.limiter.pause(3600.0)
        for _ in range(OFTEN):
            make_due(world)
            await verify_account(world.engine, ACCOUNT)

        assert states(world, campaign) == {EditState.ACCEPTED}


# ---------------------------------------------------------------- what people see


async def test_people_are_told_that_the_api_does_not_answer(sqlite_url: str) -> None:
    """Why nothing moves, and when it is tried again; and no longer once it answers."""
    async with a_world(sqlite_url) as world:
        fill(world)
        go_down(world)
        campaign = world.submit(range(3))
        await world.step()

        def told() -> str:
            world.store.queue.beat("clock")
            world.store.queue.beat("worker:test:1")
            now, pace = SystemClock().now(), Pace.of(world.engine.settings)
            look = take_snapshot(world.store, campaign, at=now, pace=pace)
            assert look is not None
            return why_it_waits(look)

        assert told().startswith("the API (CALPATCH_API_URL) does not answer; ")
        come_back(world)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert "answer" not in told()
        assert not any(name.startswith("outage:") for name in world.store.queue.pulses())


async def test_one_line_tells_when_it_goes_and_one_when_it_is_back(
    sqlite_url: str, capsys: pytest.CaptureFixture[str], quick: None
) -> None:
    """Whatever happens in between; by the data center's name alone."""
    async with a_world(sqlite_url) as world:
        fill(world)
        go_down(world)
        campaign = world.submit(range(3), chunk_size=1)
        await rounds(world)
        come_back(world)
        await world.drain(campaign)

    said = capsys.readouterr().out
    assert said.count("api.unanswered") == said.count("api.back") == 1
    lines = [line for line in said.splitlines() if "api." in line]
    assert all("data_center=custom" in line and "127.0.0.1" not in line for line in lines)
