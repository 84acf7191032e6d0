"""Several batches of one chunk under way at a time: what one learns is known to all."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from tests.world import ACCOUNT, World, a_world
from worker.clock import SystemClock
from worker.cronofy import ClientLimits, Cronofy, open_session
from worker.engine import Hold
from worker.errors import LeaseLost
from worker.limits import CappedLimiter, MemoryLimiter, parse_rate
from worker.model import CampaignState, EditState
from worker.rules import PLAIN_TURN, Turn
from worker.run import run_chunk
from worker.simulator import Behaviour, Fault
from worker.simulator.acts import Act, Delay, Reply, Reset
from worker.simulator.faults import Match
from worker.simulator.tokens import expire
from worker.store import Claim, Note, Step

VERIFIED = ("verified", "verified")


def arm(world: World, route: str, act: Act, *, times: int | None = 1) -> None:
    """Arm a fault."""
    world.sim.faults.add(Fault(act=act, match=Match(route=route, times=times)))  # type: ignore[arg-type]


def fill(world: World, count: int) -> str:
    """Add an account with so many events, and a campaign of one chunk over them."""
    world.add_account()
    for number in range(count):
        world.add_event(number)
    return world.submit(range(count), chunk_size=1000)


async def test_lanes_that_are_refused_together_refresh_once(sqlite_url: str) -> None:
    """The 401 of a call that left with the older token says nothing about the new one."""
    async with a_world(sqlite_url, batch_size=5) as world:
        campaign = fill(world, 40)
        arm(world, "batch", Delay(seconds=0.2), times=4)
        arm(world, "batch", Reply(status=401), times=4)

        assert set((await world.drain(campaign)).values()) == {VERIFIED}

        assert sum(one.route == "token" for one in world.sim.requests) == 1
        world.audit_run()


async def test_a_doubt_in_one_lane_keeps_no_other_from_sending(sqlite_url: str) -> None:
    """The connection of one batch breaks after it was taken: the others end all the same."""
    async with a_world(sqlite_url, batch_size=5) as world:
        campaign = fill(world, 40)
        arm(world, "batch", Reset(taken=True))

        await run_chunk(world.engine, f"{campaign}.1")

        assert Counter(state for state, _ in world.outcomes(campaign).values()) == {
            "sending": 5,
            "accepted": 35,
        }
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(40))
        world.audit_run()


async def test_a_campaign_cancelled_amid_its_lanes_sends_nothing_more(sqlite_url: str) -> None:
    """What is on its way comes home and is proven; the rest is not attempted."""
    slow = Behaviour(rate=(), lag_s=0.0, latency_s=(0.1, 0.2))
    async with a_world(sqlite_url, behaviour=slow, batch_size=2) as world:
        campaign = fill(world, 60)
        running = asyncio.create_task(run_chunk(world.engine, f"{campaign}.1"))
        while not world.sim.writes:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        note = Note(actor="test", action="campaign.cancelling")
        assert world.store.campaigns.move(campaign, CampaignState.CANCELLING, note=note)
        await running
        sent = len(world.sim.writes)

        ended = Counter((await world.drain(campaign)).values())

        assert ended == {VERIFIED: sent, ("not_attempted", "campaign_cancelled"): 60 - sent}
        assert sent < 60
        world.audit_run()


async def test_a_run_cancelled_amid_its_lanes_brings_everything_home(sqlite_url: str) -> None:
    """A stopping worker waits for the batches on the wire, and lets go of the rest."""
    slow = Behaviour(rate=(), lag_s=0.0, latency_s=(0.2, 0.3))
    async with a_world(sqlite_url, behaviour=slow, batch_size=5) as world:
        campaign = fill(world, 60)
        running = asyncio.create_task(run_chunk(world.engine, f"{campaign}.1"))
        while not any(one.route == "batch" for one in world.sim.requests):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        states = {state for state, _ in world.outcomes(campaign).values()}
        assert states <= {"accepted", "pending"}
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(60))
        world.audit_run()


class Noting(MemoryLimiter):
    """A limiter that keeps whose turn each call was."""

    def __init__(self) -> None:
        super().__init__(rate=parse_rate("2000/s"), clock=SystemClock())
        self.turns: list[Turn] = []

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float:
        """Note the turn, and wait as ever."""
        self.turns.append(turn)
        return await super().acquire(weight, timeout_s=timeout_s, turn=turn)


@pytest.mark.parametrize("lane", ["bulk", "interactive"])
async def test_every_call_of_a_campaign_waits_in_its_own_turn(sqlite_url: str, lane: str) -> None:
    """Reads, writes, refresh and read-back: or a large campaign's calls would stand before them."""
    async with a_world(sqlite_url, batch_size=2) as world, open_session() as session:
        limiter = Noting()
        limits = ClientLimits(batch_counts_as="one")
        client = Cronofy(session, limiter, clock=SystemClock(), limits=limits)
        capped = CappedLimiter(
            limiter, lambda name, rate: MemoryLimiter(rate=rate, clock=SystemClock())
        )
        world.engine = replace(world.engine, limiter=capped, client=client)
        campaign = fill(world, 6)
        with world.store.database.begin() as connection:
            connection.exec_driver_sql("UPDATE campaigns SET lane = ?", (lane,))
        expire(world.sim, world.sim.accounts[ACCOUNT])

        assert set((await world.drain(campaign)).values()) == {VERIFIED}

        # refused read, refresh, calendars, events, three batches, read-back
        assert len(limiter.turns) >= 8
        assert set(limiter.turns) == {Turn(lane == "interactive", campaign, ACCOUNT)}


def held(world: World, campaign: str) -> tuple[Hold, Claim]:
    """Claim a campaign's only chunk."""
    claim = world.store.chunks.claim(f"{campaign}.1", owner=world.engine.owner, lease_s=60)
    assert claim is not None
    return Hold(world.engine, claim), claim


def sending(claim: Claim, place: int) -> Step:
    """Return the step that an intent takes."""
    line_no = claim.edits[place].line_no
    return Step(line_no=line_no, was=EditState.PENDING, state=EditState.SENDING)


async def test_what_is_recorded_together_is_written_together(sqlite_url: str) -> None:
    """Three callers, each told when its own steps are stored."""
    async with a_world(sqlite_url) as world:
        campaign = fill(world, 3)
        hold, claim = held(world, campaign)

        await asyncio.gather(*(hold.record([sending(claim, place)]) for place in range(3)))

        assert {state for state, _ in world.outcomes(campaign).values()} == {"sending"}


async def test_two_steps_of_one_edit_are_written_one_after_the_other(sqlite_url: str) -> None:
    """In one statement the later step would find its edit where the earlier one should be."""
    async with a_world(sqlite_url) as world:
        campaign = fill(world, 2)
        hold, claim = held(world, campaign)
        line_no = claim.edits[0].line_no
        back = Step(line_no=line_no, was=EditState.SENDING, state=EditState.PENDING)
        failed = Step(line_no=line_no, was=EditState.PENDING, state=EditState.FAILED)
        told = Note(actor="test", action="edit.failed", line_no=line_no)

        steps = ([sending(claim, 0)], [back], [sending(claim, 1)])
        one_by_one = [hold.record(each) for each in steps]
        one_by_one.insert(2, hold.record([failed], [told]))
        await asyncio.gather(*one_by_one)

        assert [state for state, _ in world.outcomes(campaign).values()] == ["failed", "sending"]


async def test_a_lost_lease_is_told_to_all_who_record(sqlite_url: str) -> None:
    """Nobody goes on believing that its steps were stored."""
    async with a_world(sqlite_url) as world:
        campaign = fill(world, 3)
        hold, claim = held(world, campaign)
        world.store.chunks.release(claim)

        told = await asyncio.gather(
            *(hold.record([sending(claim, place)]) for place in range(3)), return_exceptions=True
        )

        assert [type(one) for one in told] == [LeaseLost] * 3
        assert {state for state, _ in world.outcomes(campaign).values()} == {"pending"}


async def test_one_who_is_cancelled_while_recording_takes_nobody_along(sqlite_url: str) -> None:
    """Its own steps are stored all the same: an API call may have gone before them."""
    async with a_world(sqlite_url) as world:
        campaign = fill(world, 2)
        hold, claim = held(world, campaign)
        first = asyncio.create_task(hold.record([sending(claim, 0)]))
        second = asyncio.create_task(hold.record([sending(claim, 1)]))
        await asyncio.sleep(0)
        first.cancel()

        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert {state for state, _ in world.outcomes(campaign).values()} == {"sending"}
