"""Rows 12 and 14 over real sockets: the API's connection breaks at any byte, crawls, or is deaf."""

from __future__ import annotations

import dataclasses
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Proxy, Way, a_proxy
from tests.world import World, a_world
from worker.simulator import SimulatorServer

VERIFIED = ("verified", "verified")
EVENTS = 3
QUICK = {"settle": 0.1, "verify_delay": 0.01}
#: Every so many-th byte is tried, from a random one on: requests are some 2,600 bytes a run,
#: answers some 3,800. A whole walk is an afternoon's work: CALPATCH_TEST_BYTES=1.
STRIDE = int(os.environ.get("CALPATCH_TEST_BYTES", "211"))


@asynccontextmanager
async def a_world_behind(
    database_url: str, **changed: object
) -> AsyncIterator[tuple[World, Proxy]]:
    """A world whose API is reached through a proxy."""
    async with a_world(database_url, **(QUICK | changed)) as world:
        port = urlsplit(world.url).port
        assert port is not None
        with a_proxy("127.0.0.1", port) as proxy:
            url = f"http://127.0.0.1:{proxy.port}"
            settings = world.engine.settings.model_copy(update={"api_url": url})
            world.engine = dataclasses.replace(world.engine, settings=settings)
            yield world, proxy


def asked(world: World, run: int) -> str:
    """Submit that three events move by an hour, in an account of this run's own.

    In a common one the answers would grow from run to run.
    """
    account, calendar_id = f"acc_{run}", f"cal_{run}"
    world.add_account(account, calendars=[calendar_id])
    for number in range(EVENTS):
        world.add_event(number, calendar_id=calendar_id)
    numbers = range(EVENTS)
    return world.submit(numbers, key=f"k{run}", account=account, calendar_id=calendar_id)


async def moved(world: World, run: int) -> None:
    """Go on until the campaign has ended, and check that each event has moved once."""
    campaign = f"c_k{run}"
    assert set((await world.drain(campaign)).values()) == {VERIFIED}
    for number in range(EVENTS):
        assert world.shift_of(number, calendar_id=f"cal_{run}") == timedelta(hours=1)
        assert world.writes_to(number, calendar_id=f"cal_{run}") == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.row(12)
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_connection_is_reset_at_any_byte(sqlite_url: str, way: Way) -> None:
    """Of a request or of an answer: what surely did not arrive is sent again, the rest is read.

    Whatever the byte, each event has moved once, by one write.
    """
    async with a_world_behind(sqlite_url) as (world, proxy):
        at = random.randrange(STRIDE)  # the seed is printed, and another one each time
        for run in range(10_000):
            before = proxy.counters.resets
            asked(world, run)
            proxy.reset_after(at, way, times=1)
            await moved(world, run)
            if proxy.counters.resets == before:
                break
            at += STRIDE
        assert at > 1000


@pytest.mark.slow
@pytest.mark.row(12)
@pytest.mark.row(14)
@pytest.mark.parametrize("fault", ["crawling", "deaf", "gone"])
async def test_an_api_that_gives_no_answer_is_waited_for(sqlite_url: str, fault: str) -> None:
    """A few bytes a second, nobody who listens, nobody there: the call ends, the edits wait."""
    async with a_world_behind(sqlite_url) as (world, proxy):
        asked(world, 0)
        faults = {"crawling": lambda: proxy.slow(20), "deaf": proxy.deaf, "gone": proxy.cut}
        faults[fault]()
        assert await world.step() == 1
        assert not world.sim.writes
        proxy.heal()
        await moved(world, 0)


@pytest.mark.row(28)
async def test_a_name_that_cannot_be_resolved_costs_time_only(sqlite_url: str) -> None:
    """The resolver fails: nothing was sent, the edits wait, and no socket is left over."""
    async with a_world_behind(sqlite_url) as (world, _):
        asked(world, 0)
        right = world.engine
        url = "http://api.invalid:9001"  # a name that never resolves (RFC 6761)
        settings = right.settings.model_copy(update={"api_url": url})
        world.engine = dataclasses.replace(right, settings=settings)
        assert await world.step() == 1
        assert not world.sim.requests
        world.engine = right
        await moved(world, 0)


@pytest.mark.row(28)
async def test_an_api_that_has_an_ipv6_address_only(sqlite_url: str) -> None:
    """The address in brackets is reached like any other."""
    async with a_world_behind(sqlite_url) as (world, _):
        try:
            server = await world_on_ipv6(world)
        except OSError:
            pytest.skip("this machine has no IPv6")
        async with server:
            asked(world, 0)
            await moved(world, 0)


async def world_on_ipv6(world: World) -> SimulatorServer:
    """Have the world's API served on the loopback of IPv6 as well, and used there."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    settings = world.engine.settings.model_copy(update={"api_url": f"http://[::1]:{port}"})
    world.engine = dataclasses.replace(world.engine, settings=settings)
    return SimulatorServer(world.sim, host="::1", port=port)
