"""Tokens on bad days: refreshed once whoever asks, stored before use, never lost by our doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.world import ACCOUNT, World, a_limiter, a_world
from worker import points
from worker.clock import SystemClock
from worker.cronofy import CallCount, ClientLimits, Cronofy, open_session
from worker.engine import Engine
from worker.errors import NotPermitted, SettingsError, Unavailable
from worker.limits import WaitTooLong
from worker.model import AccountStatus
from worker.run import run_chunk
from worker.simulator import Fault
from worker.simulator.acts import Act, Delay, Reply, Reset
from worker.simulator.faults import Match
from worker.simulator.tokens import expire, revoke
from worker.store import Account, NewAccount
from worker.tokens import Session

VERIFIED = ("verified", "verified")


def arm(world: World, act: Act) -> None:
    """Arm a fault for the next refresh."""
    world.sim.faults.add(Fault(act=act, match=Match(route="token")))


def stored(world: World) -> Account:
    """Return the account's row."""
    account = world.store.accounts.get(ACCOUNT)
    assert account is not None
    return account


def a_session(world: World) -> Session:
    """Open the account as a run does."""
    return world.engine.session(stored(world), CallCount())


def refreshes(world: World) -> int:
    """Count the refreshes that the API saw."""
    return sum(one.route == "token" for one in world.sim.requests)


def import_again(world: World) -> None:
    """Authorize the account anew, as `accounts import` does."""
    seal = world.engine.vault.seal
    world.sim.access_tokens["new-access"] = (ACCOUNT, world.sim.clock() + 3600)
    new = NewAccount(
        sub=ACCOUNT,
        access_token=seal(ACCOUNT, "new-access"),
        refresh_token=seal(ACCOUNT, f"refresh-{ACCOUNT}"),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    world.store.accounts.import_all([new], actor="test")


@asynccontextmanager
async def another_process(world: World) -> AsyncIterator[Engine]:
    """Open a second engine on the same database, with everything else its own."""
    limits = ClientLimits(batch_counts_as="one", queue_s=5.0)
    async with open_session(limits) as session:
        clock = SystemClock()
        limiter = a_limiter("2000/s", clock)
        client = Cronofy(session, limiter, clock=clock, limits=limits)
        yield replace(world.engine, client=client, limiter=limiter, owner="test:2")


async def fault_met(world: World) -> None:
    """Wait until the armed fault has met its call."""
    async with asyncio.timeout(5):
        while not world.sim.faults.shown()[0]["fired"]:  # noqa: ASYNC110 - no signal tells
            await asyncio.sleep(0.01)


@pytest.mark.row(17)
async def test_two_processes_refresh_once(database_url: str) -> None:
    """One takes the lease in SQL, the other waits for the row to change (row 17)."""
    async with a_world(database_url) as world, another_process(world) as other:
        world.add_account()
        for number in range(8):
            world.add_event(number)
        world.sim.behave(rotate_refresh_tokens=True)
        expire(world.sim, world.sim.accounts[ACCOUNT])
        arm(world, Delay(seconds=0.3))
        campaign = world.submit(range(8), chunk_size=1)
        engines = [world.engine, other] * 4

        await asyncio.gather(
            *(run_chunk(engine, f"{campaign}.{n}") for n, engine in enumerate(engines, 1))
        )

        assert refreshes(world) == 1
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        world.audit_run()


async def test_an_account_that_was_forgotten_and_imported_again_is_taken_up(
    sqlite_url: str,
) -> None:
    """Its versions count from 0 again: "newer" does not mean "greater"."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        await a_session(world).renew()
        session = a_session(world)
        world.store.accounts.forget(ACCOUNT, actor="test")
        import_again(world)

        async with asyncio.timeout(5):
            await session.renew()

        assert (await session.access()).token == "new-access"


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (Reply(status=403), NotPermitted),
        (Reply(status=400, json={"error": "invalid_client"}), SettingsError),
        (Reply(status=500), Unavailable),
        (Reset(), Unavailable),
    ],
    ids=str,
)
async def test_a_refresh_that_failed_lets_the_next_one_try(
    sqlite_url: str, act: Act, error: type[Exception]
) -> None:
    """The refresh lease is for the time of one call, not for everybody's next minute."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        arm(world, act)
        with pytest.raises(error):
            await a_session(world).renew()

        async with asyncio.timeout(5):
            await a_session(world).renew()

        assert stored(world).token_version == 1


async def test_a_refresh_that_is_cancelled_is_stored_all_the_same(sqlite_url: str) -> None:
    """Once asked, the old refresh token is void: what came back must not get lost (row 19)."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.sim.behave(rotate_refresh_tokens=True)
        arm(world, Delay(seconds=0.3))
        renewing = asyncio.create_task(a_session(world).renew())
        await fault_met(world)
        for _ in range(2):
            renewing.cancel()
            await asyncio.sleep(0.02)
        with pytest.raises(asyncio.CancelledError):
            await renewing

        assert stored(world).token_version == 1
        await a_session(world).renew()
        assert stored(world).token_version == 2


async def test_an_account_authorized_anew_during_its_last_refresh_is_not_lost(
    sqlite_url: str,
) -> None:
    """The refusal is about the old authorization; the new one is hours of somebody's work."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        account = world.sim.accounts[ACCOUNT]
        revoke(world.sim, account)
        arm(world, Delay(seconds=0.3))
        session = a_session(world)
        renewing = asyncio.create_task(session.renew())
        await fault_met(world)
        import_again(world)
        await renewing

        assert stored(world).status is AccountStatus.ACTIVE
        assert (await session.access()).token == "new-access"


async def test_a_short_life_does_not_refresh_before_each_call(sqlite_url: str) -> None:
    """A token that lives shorter than the margin is used, not thrown away unused."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(3):
            world.add_event(number)
        world.sim.behave(token_life_s=40)
        expire(world.sim, world.sim.accounts[ACCOUNT])
        campaign = world.submit(range(3))

        await run_chunk(world.engine, f"{campaign}.1")

        assert refreshes(world) == 1
        assert {state for state, _ in world.outcomes(campaign).values()} == {"accepted"}


def let_refresh_lease_end(world: World) -> None:
    """Let the time pass for which somebody holds the right to refresh."""
    with world.store.database.begin() as connection:
        connection.execute(text("UPDATE accounts SET refresh_until = '2000-01-01 00:00:00'"))


def is_refreshing(world: World) -> bool:
    """Tell whether somebody holds the right to refresh."""
    with world.store.database.read() as connection:
        sql = text("SELECT refresh_until FROM accounts")
        return connection.execute(sql).scalar_one() is not None


async def test_a_refresh_that_waits_for_the_limiter_keeps_its_lease(sqlite_url: str) -> None:
    """Longer than a lease lasts, and nobody else asks meanwhile."""
    async with a_world(sqlite_url, lease=0.4) as world:
        world.add_account()
        await world.engine.limiter.pause(1.0)

        await asyncio.gather(*(a_session(world).renew() for _ in range(3)))

        assert refreshes(world) == 1
        assert stored(world).token_version == 1


async def test_a_refresh_does_not_leave_when_its_lease_may_be_over(sqlite_url: str) -> None:
    """Asked after its lease has run out it might be the second one at a time."""
    async with a_world(sqlite_url, lease=0.4) as world:
        world.add_account()
        await world.engine.limiter.pause(1.0)
        renewing = asyncio.create_task(a_session(world).renew())
        async with asyncio.timeout(5):
            while not is_refreshing(world):  # noqa: ASYNC110 - no signal tells
                await asyncio.sleep(0.01)
        let_refresh_lease_end(world)

        with pytest.raises(WaitTooLong):
            await renewing
        assert refreshes(world) == 0
        await a_session(world).renew()
        assert refreshes(world) == 1


@pytest.mark.row(19)
async def test_new_tokens_find_an_account_that_was_called_lost_too_early(sqlite_url: str) -> None:
    """A process slept over its lease with the call under way; another was refused meanwhile."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.sim.behave(rotate_refresh_tokens=True)
        arm(world, Delay(seconds=0.4))
        renewing = asyncio.create_task(a_session(world).renew())
        await fault_met(world)
        world.store.accounts.set_status(
            ACCOUNT, AccountStatus.LOST, reason="account_lost", actor="another process"
        )
        await renewing

        account = stored(world)
        assert (account.status, account.reason, account.token_version) == (
            AccountStatus.ACTIVE, "", 1,
        )  # fmt: skip


async def test_a_forgotten_account_ends_its_run_when_it_must_refresh(sqlite_url: str) -> None:
    """accounts forget in the middle of a run: no new tokens come out of nowhere."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        expire(world.sim, world.sim.accounts[ACCOUNT])
        campaign = world.submit([1])
        arm(world, Delay(seconds=0.3))
        run = asyncio.create_task(run_chunk(world.engine, f"{campaign}.1"))
        await fault_met(world)
        world.store.accounts.forget(ACCOUNT, actor="test")
        await run

        assert await world.drain(campaign) == {2: ("failed", "account_lost")}


@pytest.mark.parametrize("rotates", [True, False])
@pytest.mark.row(19)
async def test_a_process_that_dies_with_new_tokens_in_hand(
    sqlite_url: str, *, rotates: bool
) -> None:
    """Between the refresh and its record (row 19): never two refreshers, and no loop.

    Where the API rotates, the only good token died with the process: the account is lost, and says
    what to do. Where it does not, nothing is.
    """
    async with a_world(sqlite_url, lease=60.0) as world:
        world.add_account()
        world.add_event(1)
        world.sim.behave(rotate_refresh_tokens=rotates)
        expire(world.sim, world.sim.accounts[ACCOUNT])
        campaign = world.submit([1])
        await die_after_refresh(world, f"{campaign}.1")
        assert refreshes(world) == 1
        assert stored(world).token_version == 0

        session = a_session(world)
        renewing = asyncio.ensure_future(asyncio.gather(session.renew(), return_exceptions=True))
        await asyncio.sleep(0.1)
        assert refreshes(world) == 1, "the dead one's lease still holds"
        let_refresh_lease_end(world)
        await renewing
        assert refreshes(world) == 2

        with world.store.database.begin() as connection:
            connection.execute(text("UPDATE chunks SET lease_until = '2000-01-01 00:00:00.000000'"))
        expected = ("failed", "account_lost") if rotates else VERIFIED
        assert await world.drain(campaign) == {2: expected}
        assert refreshes(world) == 2
        account = stored(world)
        assert account.status is (AccountStatus.LOST if rotates else AccountStatus.ACTIVE)
        assert account.reason == ("account_lost" if rotates else "")
        if rotates:
            import_again(world)
            assert await world.drain(world.submit([1], key="again")) == {2: VERIFIED}


async def die_after_refresh(world: World, chunk_id: str) -> None:
    """Run a chunk in a process that writes nothing down from the moment its refresh is answered."""
    with ThreadPoolExecutor(4) as threads:

        def die(name: str) -> None:
            if name == "refresh.after":
                threads.shutdown(wait=False)

        points.listen(die)
        try:
            run = asyncio.create_task(run_chunk(replace(world.engine, threads=threads), chunk_id))
            await asyncio.wait([run])
            assert isinstance(run.exception(), RuntimeError)
        finally:
            points.listen(None)
