"""Runs that are stopped, shut out or overtaken: nothing leaves that must not, nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.world import ACCOUNT, CALENDAR, World, a_world, event_uid
from worker.clock import SystemClock
from worker.cronofy import Cronofy, open_session
from worker.embedded import postgres_server
from worker.limits import CappedLimiter, open_limiter, parse_rate
from worker.model import CampaignState, EditState, Patch, Policy
from worker.rules import BATCHES_AT_ONCE
from worker.run import run_chunk
from worker.simulator import Behaviour, Fault
from worker.simulator.acts import Act, Delay, Reply, Reset
from worker.simulator.faults import Match
from worker.simulator.values import Location
from worker.store import Note
from worker.tokens import Vault, generate_key

VERIFIED = ("verified", "verified")
CANCELLED = ("not_attempted", "campaign_cancelled")
#: calendars, events and the write each wait a second for their grant
SLOW = "1/s"


def fill(world: World, count: int) -> None:
    """Add an account with so many events."""
    world.add_account()
    for number in range(count):
        world.add_event(number)


def arm(world: World, route: str, act: Act, *, times: int | None = 1) -> None:
    """Arm a fault."""
    world.sim.faults.add(Fault(act=act, match=Match(route=route, times=times)))  # type: ignore[arg-type]


def move(world: World, campaign: str, state: CampaignState) -> None:
    """Take a campaign to a state, as the operator does."""
    note = Note(actor="test", action=f"campaign.{state}")
    assert world.store.campaigns.move(campaign, state, note=note)


def change_chunks(world: World, values: str) -> None:
    """Change every chunk's row behind everybody's back."""
    with world.store.database.begin() as connection:
        connection.execute(text(f"UPDATE chunks SET {values}"))


def states(world: World, campaign: str) -> set[str]:
    """Return the states that the edits are in."""
    return {state for state, _ in world.outcomes(campaign).values()}


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - SQL and the simulator give no signal
            await asyncio.sleep(0.01)


async def started(world: World, campaign: str, *, state: str) -> asyncio.Task[str]:
    """Start a campaign's first chunk, and wait until its edits are in a state."""
    run = asyncio.create_task(run_chunk(world.engine, f"{campaign}.1"))
    await until(lambda: states(world, campaign) == {state})
    return run


# ---------------------------------------------------------------- cancelled campaigns


@pytest.mark.row(24)
@pytest.mark.parametrize(("taken", "outcome"), [(False, CANCELLED), (True, VERIFIED)])
async def test_an_edit_in_doubt_is_settled_after_its_campaign_was_cancelled(
    sqlite_url: str, *, taken: bool, outcome: tuple[str, str]
) -> None:
    """It is read until it is known, sent no more, and the campaign ends."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        arm(world, "edit", Reset(taken=taken))
        campaign = world.submit([0])
        await world.step()
        move(world, campaign, CampaignState.CANCELLING)

        assert await world.drain(campaign, within_s=5) == {2: outcome}
        assert len(world.sim.writes) <= 1
        assert sum(one.route == "events" for one in world.sim.requests) < 6
        world.audit_run()


@pytest.mark.row(24)
async def test_a_write_that_waits_for_its_grant_stays_when_the_campaign_is_cancelled(
    sqlite_url: str,
) -> None:
    """The limiter may hold a write for most of a minute; no POST leaves after a cancel (row 24)."""
    async with a_world(sqlite_url, rate=SLOW, lease=1.2) as world:
        fill(world, 3)
        campaign = world.submit(range(3))
        run = await started(world, campaign, state="sending")
        move(world, campaign, CampaignState.CANCELLING)
        await run

        assert set((await world.drain(campaign)).values()) == {CANCELLED}
        assert not world.sim.writes
        world.audit_run()


@pytest.mark.row(22)
async def test_a_write_that_waits_for_its_grant_stays_when_the_lease_is_lost(
    sqlite_url: str,
) -> None:
    """Whoever holds the chunk now will send it (law 8)."""
    async with a_world(sqlite_url, rate=SLOW, lease=1.2) as world:
        fill(world, 3)
        campaign = world.submit(range(3))
        run = await started(world, campaign, state="sending")
        change_chunks(world, "epoch = epoch + 1, lease_owner = 'somebody else'")

        assert await run == ""
        assert not world.sim.writes

        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(3))
        world.audit_run()


async def test_a_late_message_leaves_a_paused_campaign_alone(sqlite_url: str) -> None:
    """Paused is not cancelled: the edits wait where they are."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        campaign = world.submit([0])
        move(world, campaign, CampaignState.PAUSED)

        assert await run_chunk(world.engine, f"{campaign}.1") == "pending"
        assert states(world, campaign) == {"pending"}
        assert not world.sim.requests

        move(world, campaign, CampaignState.RUNNING)
        assert await world.drain(campaign) == {2: VERIFIED}


# ---------------------------------------------------------------- cancelled runs


async def test_a_run_cancelled_before_its_write_left_uses_up_no_attempt(sqlite_url: str) -> None:
    """A stopping worker does not wait for the limiter; what was intended goes back."""
    async with a_world(sqlite_url, rate=SLOW) as world:
        fill(world, 2)
        campaign = world.submit(range(2))
        run = await started(world, campaign, state="sending")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        outcomes = list(world.store.reading.outcomes(campaign))
        assert {(one.state, one.attempts) for one in outcomes} == {(EditState.PENDING, 0)}
        assert not world.sim.writes
        claim = world.store.chunks.claim(f"{campaign}.1", owner="next", lease_s=5)
        assert claim is not None
        assert claim.rescues == 0


async def test_a_run_cancelled_while_it_claims_holds_nothing(sqlite_url: str) -> None:
    """A lease that nobody holds would cost its time, and count as a death on the chunk."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        campaign = world.submit([0])
        run = asyncio.create_task(run_chunk(world.engine, f"{campaign}.1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        claim = world.store.chunks.claim(f"{campaign}.1", owner="next", lease_s=5)
        assert claim is not None
        assert claim.rescues == 0


async def test_a_run_cancelled_amid_its_write_brings_it_home(sqlite_url: str) -> None:
    """However often it is cancelled: the POST and its record are one."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)
        arm(world, "batch", Delay(seconds=0.3))
        campaign = world.submit(range(2))
        run = await started(world, campaign, state="sending")
        await until(lambda: bool(world.sim.writes))
        run.cancel()
        await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        assert states(world, campaign) == {"accepted"}
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(2))


# ---------------------------------------------------------------- what is missing


async def test_a_key_that_is_missing_is_no_edits_fault(sqlite_url: str) -> None:
    """With the wrong vault key nothing is rescued, poisoned or failed: it waits to be mended."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)
        campaign = world.submit(range(2))
        unkeyed = replace(world.engine, vault=Vault([generate_key()]))
        for _ in range(4):
            assert await run_chunk(unkeyed, f"{campaign}.1") == "pending"
            change_chunks(world, "retry_at = NULL")

        assert states(world, campaign) == {"pending"}
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


@pytest.mark.row(7)
async def test_without_the_limiter_nothing_leaves(sqlite_url: str) -> None:
    """Redis is down: no call is unlimited, not even a read, and no attempt is used up."""
    async with a_world(sqlite_url) as world, open_session() as session:
        fill(world, 2)
        campaign = world.submit(range(2))
        rate = parse_rate("9/s")
        shared = open_limiter("redis://127.0.0.1:1/0", rate=rate, share=1.0)
        limiter = CappedLimiter(shared, lambda _name, _rate: shared)
        client = Cronofy(session, limiter, clock=world.engine.clock)
        cut_off = replace(world.engine, limiter=limiter, client=client)

        assert await run_chunk(cut_off, f"{campaign}.1") == "pending"

        assert not world.sim.requests
        assert states(world, campaign) == {"pending"}
        await limiter.aclose()
        change_chunks(world, "retry_at = NULL")
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


@pytest.mark.row(9)
@pytest.mark.postgres
async def test_an_outcome_is_kept_while_the_database_is_away() -> None:
    """Killed between POST and record and started again: the outcome is written down (row 9)."""
    with postgres_server() as server:
        async with a_world(server.create_database(), lease=25.0) as world:
            fill(world, 2)
            arm(world, "batch", Delay(seconds=0.3))
            campaign = world.submit(range(2))
            run = await started(world, campaign, state="sending")
            await until(lambda: bool(world.sim.writes))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.start)

            assert await run == "verifying"
            assert set((await world.drain(campaign)).values()) == {VERIFIED}
            assert all(world.writes_to(number) == 1 for number in range(2))
            world.audit_run()


async def test_a_calendar_that_is_gone_since_is_looked_up_anew(sqlite_url: str) -> None:
    """The list of calendars is believed for a while; a read that it spoils is not for ever."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        world.add_calendar("cal_b")
        world.add_event(7, calendar_id="cal_b")
        await world.drain(world.submit([0]))
        campaign = world.submit([7], key="gone", calendar_id="cal_b")
        world.sim.accounts[ACCOUNT].calendar_ids.remove("cal_b")

        assert await world.drain(campaign) == {2: ("skipped", "not_found")}


async def test_an_account_parked_amid_a_run_ends_the_rest_of_it(sqlite_url: str) -> None:
    """What was ready to be sent has ended by then; only what was on its way still comes home."""
    async with a_world(sqlite_url, batch_size=2) as world:
        fill(world, 20)
        arm(world, "batch_item", Reply(status=423), times=None)
        arm(world, "userinfo", Reply(status=403), times=None)
        campaign = world.submit(range(20))

        assert await run_chunk(world.engine, f"{campaign}.1") == "done"
        assert set(world.outcomes(campaign).values()) == {("skipped", "account_locked")}
        assert len(world.sim.writes) == 2 * BATCHES_AT_ONCE


async def test_one_forbidden_event_says_nothing_of_its_neighbours(sqlite_url: str) -> None:
    """403 may be the API's word for an event that was locked just now (cronofy-api §5.2)."""
    async with a_world(sqlite_url, batch_size=1) as world:
        fill(world, 4)
        arm(world, "edit", Reply(status=403))
        campaign = world.submit(range(4))

        outcomes = list((await world.drain(campaign)).values())

        assert outcomes == [("skipped", "permission_missing"), VERIFIED, VERIFIED, VERIFIED]


async def test_a_run_without_any_time_left_still_sends_a_batch(sqlite_url: str) -> None:
    """Reads that took all of the budget are made again otherwise, for ever."""
    async with a_world(sqlite_url, batch_size=1, chunk_budget=0.001) as world:
        fill(world, 3)
        arm(world, "edit", Reset(taken=True))
        campaign = world.submit(range(3))

        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(3))


# ---------------------------------------------------------------- what shows late


async def test_the_last_attempt_is_not_called_failed_before_it_could_show(
    sqlite_url: str,
) -> None:
    """A chunk that is taken up early must not end a write that was taken as failed."""
    async with a_world(sqlite_url, behaviour=Behaviour(rate=(), lag_s=0.3), settle=0.6) as world:
        fill(world, 1)
        arm(world, "edit", Reset(taken=True))
        campaign = world.submit([0], policy=Policy(max_attempts=1))
        await world.step()
        change_chunks(world, "retry_at = NULL")

        assert await world.drain(campaign) == {2: VERIFIED}


async def test_a_write_in_doubt_that_took_is_judged_like_any_other(sqlite_url: str) -> None:
    """A lost location is told whether the answer to the write arrived or not."""
    behaviour = Behaviour(rate=(), lag_s=0.05, omitted_location="reset")
    async with a_world(sqlite_url, behaviour=behaviour) as world:
        world.add_account()
        world.add_event(0, location=Location(description="Room 1"))
        arm(world, "edit", Reset(taken=True))
        campaign = world.submit([0])

        assert await world.drain(campaign) == {2: ("mismatch", "side_effect")}


@pytest.mark.parametrize("refusals", [0, 3])
async def test_time_that_passed_without_a_worker_ends_no_proof(
    sqlite_url: str, refusals: int
) -> None:
    """All workers were away for longer than a proof may take: it is read all the same, twice."""
    async with a_world(sqlite_url, verify_within=0.2) as world:
        fill(world, 1)
        campaign = world.submit([0])
        await world.step()
        await asyncio.sleep(0.5)
        if refusals:
            arm(world, "events", Reply(status=500), times=refusals)

        assert await world.drain(campaign) == {2: VERIFIED}


@pytest.mark.row(20)
async def test_a_worker_whose_clock_is_wrong_proves_all_the_same(sqlite_url: str) -> None:
    """A sweep from an hour ahead shows nothing; windows around the dates do (row 20)."""

    class Ahead(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(hours=1)

    async with a_world(sqlite_url) as world:
        fill(world, 1)
        campaign = world.submit([0])
        world.engine = replace(world.engine, clock=Ahead())

        assert await world.drain(campaign) == {2: VERIFIED}
        world.audit_run()


async def test_a_calendar_that_nobody_can_read_again_ends_unverified(sqlite_url: str) -> None:
    """A read-back that fails for ever ends in time."""
    async with a_world(sqlite_url, verify_within=0.3) as world:
        fill(world, 1)
        campaign = world.submit({0: Patch(summary="New")})
        await world.step()
        arm(world, "events", Reply(status=403), times=None)

        assert await world.drain(campaign) == {2: ("unverified", "not_read_back")}
        assert world.sim.event(CALENDAR, event_uid(0)).summary == "New"
