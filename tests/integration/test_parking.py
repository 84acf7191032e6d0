"""Accounts that cannot be used: what ends, who goes on, and how an account comes back (row 18).

A locked account's edits end at once, by name: only its owner can end a lock, and a campaign that
waited for that would end no better, only later. What was skipped is an input again.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.integration.test_outage import come_back, go_down, make_due
from tests.world import ACCOUNT, World, a_world
from worker.app import _check_account
from worker.model import AccountStatus
from worker.run import run_chunk
from worker.simulator import Fault
from worker.simulator.acts import Reply
from worker.simulator.faults import Match
from worker.simulator.tokens import revoke
from worker.store import Account, NewAccount

pytestmark = pytest.mark.row(18)

VERIFIED = ("verified", "verified")
LOCKED = ("skipped", "account_locked")
REFUSED = ("failed", "unauthorized")
LOST = ("failed", "account_lost")


def fill(world: World) -> None:
    """Add the account, and a neighbour who must never wait for it."""
    world.add_account()
    world.add_account("acc_2", calendars=["cal_2"])
    for number in range(4):
        world.add_event(number)
        world.add_event(number, calendar_id="cal_2")


def lock(world: World, *, is_locked: bool = True) -> None:
    """Take away, or give back, the credentials at the provider."""
    world.sim.accounts[ACCOUNT].profiles[f"pro_{ACCOUNT}"].connected = not is_locked


def stored(world: World) -> Account:
    """Return the account's row."""
    account = world.store.accounts.get(ACCOUNT)
    assert account is not None
    return account


def let_time_pass(world: World) -> None:
    """Have the parked account's time come."""
    with world.store.database.begin() as connection:
        connection.execute(text("UPDATE accounts SET retry_at = '2000-01-01 00:00:00.000000'"))


def asked(world: World) -> int:
    """Count what the API was asked for the account."""
    return sum(one.sub == ACCOUNT for one in world.sim.requests)


async def moved(world: World, number: int) -> tuple[str, str]:
    """Move an event of the account by a campaign of its own; returns its outcome."""
    campaign = world.submit([number], key=f"move-{len(world.asked)}")
    return (await world.drain(campaign))[2]


async def park(world: World) -> None:
    """Have the account parked by what a campaign finds, while its neighbour's edits are made."""
    lock(world)
    other = world.submit([0, 1], key="neighbour", account="acc_2", calendar_id="cal_2")
    assert await moved(world, 0) == LOCKED
    assert set((await world.drain(other)).values()) == {VERIFIED}
    account = stored(world)
    assert (account.status, account.reason) == (AccountStatus.PARKED, "account_locked")
    assert account.retry_in_s is not None


async def test_a_parked_account_is_left_alone_until_its_time(sqlite_url: str) -> None:
    """Neither a later campaign nor a message asks the API for it; its edits end by name."""
    async with a_world(sqlite_url) as world:
        fill(world)
        await park(world)
        before = asked(world)

        assert await moved(world, 1) == LOCKED
        assert asked(world) == before


async def test_a_parked_account_comes_back_by_itself(sqlite_url: str) -> None:
    """Its owner has reconnected it: the next campaign after its time finds that out."""
    async with a_world(sqlite_url) as world:
        fill(world)
        await park(world)
        lock(world, is_locked=False)
        let_time_pass(world)

        assert await moved(world, 1) == VERIFIED
        assert stored(world).status is AccountStatus.ACTIVE
        assert await moved(world, 0) == VERIFIED, "what was skipped may be asked for again"


async def test_a_parked_account_that_is_still_locked_stays_parked(sqlite_url: str) -> None:
    """One look after its time, and then it has its rest again."""
    async with a_world(sqlite_url) as world:
        fill(world)
        await park(world)
        let_time_pass(world)
        before = asked(world)

        assert await moved(world, 1) == LOCKED
        assert asked(world) - before <= 3
        account = stored(world)
        assert account.status is AccountStatus.PARKED
        assert account.retry_in_s is not None
        assert account.retry_in_s > 0


async def test_a_check_brings_a_parked_account_back_at_once(sqlite_url: str) -> None:
    """Whoever knows that the owner has reconnected it need not wait."""
    async with a_world(sqlite_url) as world:
        fill(world)
        await park(world)
        assert (await _check_account(world.engine, ACCOUNT)).status is AccountStatus.PARKED
        lock(world, is_locked=False)

        assert (await _check_account(world.engine, ACCOUNT)).status is AccountStatus.ACTIVE
        assert await moved(world, 1) == VERIFIED


async def test_a_check_during_an_outage_changes_nothing(sqlite_url: str) -> None:
    """No answer says nothing of the account, whether the call failed or was not made at all."""
    async with a_world(sqlite_url) as world:
        fill(world)
        await park(world)
        go_down(world)
        for sub, status in ((ACCOUNT, "parked"), ("acc_2", "active"), ("acc_2", "active")):
            found = await _check_account(world.engine, sub)
            assert found.status == status
            assert found.reason.startswith("not checked: ")
        come_back(world)


@pytest.mark.parametrize("route", ["events", "batch"])
async def test_a_lock_that_is_met_amid_a_campaign_ends_what_is_left(
    sqlite_url: str, route: str
) -> None:
    """By a read or by a write: by name, nothing is sent any more, and the campaign ends."""
    async with a_world(sqlite_url) as world:
        fill(world)
        world.sim.faults.add(
            Fault(act=Reply(status=423), match=Match(route=route, times=None)),  # type: ignore[arg-type]
            Fault(act=Reply(status=403), match=Match(route="userinfo", times=None)),
        )
        campaign = world.submit(range(4), chunk_size=2)

        assert set((await world.drain(campaign)).values()) == {LOCKED}
        assert not any(one.taken for one in world.sim.writes)
        assert stored(world).status is AccountStatus.PARKED
        world.audit_run()


async def test_a_token_that_is_refused_for_ever_parks_its_account(sqlite_url: str) -> None:
    """One refresh a run, not one a call; and when it is accepted again, all goes on."""
    async with a_world(sqlite_url) as world:
        fill(world)
        world.sim.faults.add(
            Fault(act=Reply(status=401), match=Match(route="calendars", sub=ACCOUNT, times=None))
        )
        assert await moved(world, 0) == REFUSED
        assert sum(one.route == "token" for one in world.sim.requests) == 1
        assert (stored(world).status, stored(world).reason) == (
            AccountStatus.PARKED,
            "unauthorized",
        )
        before = asked(world)
        assert await moved(world, 1) == REFUSED
        assert asked(world) == before

        world.sim.faults.clear()
        let_time_pass(world)
        assert await moved(world, 2) == VERIFIED


async def test_a_lost_account_comes_back_by_an_import_and_by_nothing_else(sqlite_url: str) -> None:
    """Its refresh token was revoked: time and checks do not bring that back."""
    async with a_world(sqlite_url) as world:
        fill(world)
        revoke(world.sim, world.sim.accounts[ACCOUNT])
        assert await moved(world, 0) == LOST
        let_time_pass(world)
        before = asked(world)
        assert (await _check_account(world.engine, ACCOUNT)).status is AccountStatus.LOST
        assert await moved(world, 1) == LOST
        assert asked(world) == before

        seal = world.engine.vault.seal
        world.sim.accounts[ACCOUNT].revoked = False
        world.sim.access_tokens["new"] = (ACCOUNT, world.sim.clock() + 3600)
        new = NewAccount(
            sub=ACCOUNT,
            access_token=seal(ACCOUNT, "new"),
            refresh_token=seal(ACCOUNT, "new"),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        world.store.accounts.import_all([new], actor="test")
        assert await moved(world, 2) == VERIFIED


async def test_a_lock_amid_a_doubt_ends_in_time(sqlite_url: str) -> None:
    """What may have been taken waits for a read, as long as one may prove it; then it ends."""
    async with a_world(sqlite_url, verify_within=0.3) as world:
        fill(world)
        campaign = world.submit([0])
        world.sim.faults.add(Fault(act=Reply(status=500, taken=True), match=Match(route="edit")))
        await run_chunk(world.engine, f"{campaign}.1")
        world.sim.faults.add(
            Fault(act=Reply(status=423), match=Match(route="events", times=None)),
        )
        async with asyncio.timeout(20):
            while world.outcomes(campaign)[2][0] == "sending":
                make_due(world)
                await world.step()

        assert world.outcomes(campaign) == {2: ("unverified", "not_read_back")}
