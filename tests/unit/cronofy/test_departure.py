"""The moment a call leaves: before it everything may be called off, after it nothing."""

from __future__ import annotations

import asyncio

import pytest

from worker.cronofy import Departure, bring_home


class RefusedError(Exception):
    """What a check raises in these tests."""


def allow() -> None:
    """Let everything leave."""


def refuse() -> None:
    """Let nothing leave."""
    raise RefusedError


def test_a_refused_call_has_not_left() -> None:
    """The check is asked at both moments, and its word counts."""
    departure = Departure(refuse)

    with pytest.raises(RefusedError):
        departure.wait()
    with pytest.raises(RefusedError):
        departure.leave()
    assert not departure.has_left
    assert not departure.is_waiting


async def test_an_effect_is_called_off_while_it_waits() -> None:
    """What waits for the limiter does not keep a worker from stopping."""
    departure, tidied = Departure(allow), asyncio.Event()

    async def effect() -> None:
        departure.wait()
        try:
            await asyncio.Event().wait()
        finally:
            departure.stay()
            await asyncio.sleep(0)
            tidied.set()

    task = asyncio.create_task(bring_home(effect(), departure))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tidied.is_set()


async def test_an_effect_that_has_left_comes_home_however_often_it_is_cancelled() -> None:
    """Its record is worth as much as the call itself."""
    departure, answer, recorded = Departure(allow), asyncio.Event(), asyncio.Event()

    async def effect() -> None:
        departure.wait()
        departure.leave()
        await answer.wait()
        recorded.set()

    task = asyncio.create_task(bring_home(effect(), departure))
    for _ in range(3):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    answer.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorded.is_set()


async def test_an_effect_that_is_called_off_before_it_waits_never_waits() -> None:
    """While the intent is being stored nothing is interrupted; it just goes no further."""
    departure, stored, go_on = Departure(allow), asyncio.Event(), asyncio.Event()

    async def effect() -> None:
        await go_on.wait()
        stored.set()
        departure.wait()

    task = asyncio.create_task(bring_home(effect(), departure))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stored.is_set()
    assert not departure.is_waiting


async def test_a_result_and_an_error_pass_through() -> None:
    """Without a cancellation it is as if nobody stood in between."""

    async def fails() -> None:
        raise RefusedError

    async def succeeds() -> int:
        return 7

    assert await bring_home(succeeds(), Departure(allow)) == 7
    with pytest.raises(RefusedError):
        await bring_home(fails(), Departure(allow))
