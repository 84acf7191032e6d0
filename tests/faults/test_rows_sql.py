"""Rows 9 and 10: the database goes away at every moment, and comes back."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Proxy, a_proxy
from tests.world import World, a_world
from worker.errors import WorkerError
from worker.model import ENDED
from worker.run import run_chunk
from worker.sweep import settle_all, take_apart_poison
from worker.verify import verify_account

VERIFIED = ("verified", "verified")
PEOPLE = 3
#: Every so many-th statement is tried, from a random one on; a whole walk is 110 runs.
STRIDE = int(os.environ.get("CALPATCH_TEST_STRIDE", "5"))
#: quick to take over, and long enough for a run
QUICK = {"lease": 1.0, "settle": 0.1, "verify_delay": 0.01}


async def step(world: World) -> None:
    """Do what clock and workers do; what fails, fails as it does there, and is done again."""
    due = None
    with suppress(WorkerError):
        settle_all(world.store)
        take_apart_poison(world.store)
        due = world.store.queue.take_due(window=8, resend_after_s=0.1)
    for name in due.chunks if due else ():
        with suppress(WorkerError):
            await run_chunk(world.engine, name[1])
    for account in due.accounts if due else ():
        with suppress(WorkerError):
            await verify_account(world.engine, account)


async def ended(world: World, campaign: str, *, within_s: float = 30.0) -> None:
    """Go on until the campaign has ended."""
    deadline = time.monotonic() + within_s
    while True:
        assert time.monotonic() < deadline
        await step(world)
        with suppress(WorkerError):
            found = world.store.campaigns.get(campaign)
            if found is not None and found.state in ENDED:
                return
        await asyncio.sleep(0.01)


# A cursor that the database has taken away cannot be closed in order any more.
@pytest.mark.filterwarnings("ignore:.*ServerCursor:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.row(9)
@pytest.mark.row(10)
@pytest.mark.parametrize("fault", ["statement lost", "answer lost"])
async def test_the_database_goes_away_at_each_statement(postgres_url: str, fault: str) -> None:
    """Whichever statement of a run does not arrive, or is done but not answered: all ends right.

    The commits of intents and outcomes are among them, each lost once before and once after.
    """
    parts = urlsplit(postgres_url)
    assert parts.port is not None
    with a_proxy("127.0.0.1", parts.port) as proxy:
        url = postgres_url.replace(f":{parts.port}/", f":{proxy.port}/")
        arm: Callable[..., None] = (
            proxy.reset_at if fault == "statement lost" else proxy.lose_answer
        )
        async with a_world(url, **QUICK) as world:
            world.add_account()
            place = random.randrange(STRIDE)  # the seed is printed, and another one each time
            while await walked(world, proxy, arm, place):
                place += STRIDE
            assert place > 30
            assert not world.store.audit.verify()[1]


async def walked(world: World, proxy: Proxy, arm: Callable[..., None], skip: int) -> bool:
    """Run a campaign of its own with the fault at one place; False when there was no such place."""
    numbers = range(PEOPLE * skip, PEOPLE * (skip + 1))
    for number in numbers:
        world.add_event(number)
    campaign = world.submit(numbers, key=f"k{skip}")
    before = proxy.counters.resets
    arm(skip=skip, times=1)
    await ended(world, campaign)
    proxy.heal()
    assert set(world.outcomes(campaign).values()) == {VERIFIED}, f"at statement {skip}"
    for number in numbers:
        assert world.shift_of(number) == timedelta(hours=1)
        assert world.writes_to(number) <= 1, f"written twice at statement {skip}"
    return proxy.counters.resets > before
