"""As few calls as can be: what a campaign costs, against the forecast that users are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.world import CALENDAR, World, a_world, event_uid, soon
from worker.cronofy.paging import EVENTS, PAGES
from worker.model import Patch, Policy, Reschedule
from worker.rules import Load, calls_needed
from worker.run import run_chunk
from worker.settings import Settings
from worker.simulator import Behaviour

READS = (EVENTS, PAGES)


def fill(world: World, count: int, *, spread_days: int = 40, **more: Any) -> None:
    """Add an account with so many editable events, an hour each, spread over days from now."""
    world.add_account()
    for number in range(count):
        start = soon(0) + timedelta(days=number * spread_days // count, minutes=number % 7)
        world.add_event(number, start=start, **more)


def calls(world: World, campaign: str) -> Counter[str]:
    """Return the calls of a campaign, by route."""
    counted: Counter[str] = Counter()
    for route, _, count in world.store.reading.calls(campaign):
        counted[route] += count
    return counted


def forecast(edits: int, *, events: int | None = None, page_size: int = 300, **more: Any) -> int:
    """Return the calls that one account's edits need; a batch counts as one here."""
    chosen: dict[str, Any] = {"lists_calendars": True, "verifies": True} | more
    needed = calls_needed(
        [(Load(edits, events or edits), 1)],
        batch_size=50,
        batch_counts_as="one",
        page_size=page_size,
        **chosen,
    )
    return needed.total


def quiet(**more: Any) -> Behaviour:
    """Return an API without a limit, whose writes show at once."""
    return Behaviour(rate=(), lag_s=0.0, **more)


@pytest.mark.parametrize("edits", [1, 50, 51, 500])
async def test_a_quiet_run_costs_what_the_forecast_says(sqlite_url: str, edits: int) -> None:
    """One list, the pages of one window, full batches, one sweep: no call more, none less."""
    async with a_world(sqlite_url, behaviour=quiet(), verify_delay=0.2) as world:
        fill(world, edits)
        campaign = world.submit(range(edits), chunk_size=1000)

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {("verified", "verified")}
        assert calls(world, campaign).total() == forecast(edits)
        world.audit_run()


async def test_the_next_campaign_needs_no_list_and_one_without_proof_no_sweep(
    sqlite_url: str,
) -> None:
    """A permission is believed for a day: the API itself refuses what has been taken back."""
    async with a_world(sqlite_url, behaviour=quiet(), calendars_ttl=0.0) as world:
        fill(world, 60)
        await world.drain(world.submit(range(30), key="first"))
        campaign = world.submit(range(30, 60), key="second", policy=Policy(verify="none"))

        await world.drain(campaign)

        assert calls(world, campaign).total() == 2
        assert calls(world, campaign).total() == forecast(
            30, events=60, lists_calendars=False, verifies=False
        )


async def test_a_refusal_of_the_calendar_list_is_looked_up_anew(sqlite_url: str) -> None:
    """An owner grants access, and the same file is submitted again: that must not take a day."""
    async with a_world(sqlite_url, behaviour=quiet(), calendars_ttl=0.0) as world:
        fill(world, 2)
        world.sim.calendars[CALENDAR].permission_level = "sandbox"
        first = await world.drain(world.submit([0, 1], key="first"))
        world.sim.calendars[CALENDAR].permission_level = "unrestricted"
        second = await world.drain(world.submit([0, 1], key="second"))

        assert set(first.values()) == {("skipped", "permission_missing")}
        assert set(second.values()) == {("verified", "verified")}


async def test_a_permission_that_was_taken_back_is_believed_for_one_write_only(
    sqlite_url: str,
) -> None:
    """The API refuses what the list still permits; the list is not believed after that."""
    async with a_world(sqlite_url, behaviour=quiet()) as world:
        fill(world, 3)
        await world.drain(world.submit([0], key="first"))
        world.sim.calendars[CALENDAR].permission_level = "sandbox"
        writes = len(world.sim.writes)

        for key, number in (("second", 1), ("third", 2)):
            outcomes = await world.drain(world.submit([number], key=key))
            assert outcomes == {2: ("skipped", "permission_missing")}
        assert len(world.sim.writes) == writes + 1


async def test_edits_without_a_date_share_one_read_across_their_chunks(sqlite_url: str) -> None:
    """The whole window is read once for an account, however many chunks it has waiting."""
    async with a_world(sqlite_url, behaviour=quiet(page_size=20), verify_delay=0.5) as world:
        fill(world, 100)
        campaign = world.submit(
            range(100), hinted=False, chunk_size=25, policy=Policy(verify="none")
        )

        outcomes = await world.drain(campaign)

        assert len(outcomes) == 100
        counted = calls(world, campaign)
        assert sum(counted[route] for route in READS) == 5
        world.audit_run()


async def test_what_is_not_where_its_date_says_costs_the_rest_and_no_day_twice(
    sqlite_url: str,
) -> None:
    """A wrong hint is looked for in what has not been read yet, once."""
    async with a_world(sqlite_url, behaviour=quiet()) as world:
        world.add_account()
        world.add_event(0, start=soon(0))
        world.add_event(1, start=soon(0) + timedelta(days=150))
        uid = event_uid(1)
        campaign = world.submit([0, 1])
        with world.store.database.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE edits SET hint = (SELECT min(hint) FROM edits) WHERE event_uid = ?", (uid,)
            )

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {("verified", "verified")}
        reads = calls(world, campaign)[EVENTS]
        assert reads == 3  # the hinted days, the rest of the window, the sweep


async def test_edits_that_are_done_already_are_neither_sent_nor_read_back(sqlite_url: str) -> None:
    """Batches are filled with what is left, across the gaps."""
    async with a_world(sqlite_url, behaviour=quiet(), verify_delay=0.2) as world:
        fill(world, 100)
        there = {
            number: Patch(
                move=Reschedule(
                    start=(
                        world.sim.event(CALENDAR, event_uid(number)).start
                        + timedelta(hours=number % 2)
                    ).isoformat()
                )
            )
            for number in range(100)
        }
        campaign = world.submit(there, chunk_size=1000)

        outcomes = Counter((await world.drain(campaign)).values())

        assert outcomes == {("unchanged", "already_as_asked"): 50, ("verified", "verified"): 50}
        assert calls(world, campaign).total() == forecast(50, events=100)


async def test_several_calendars_fill_one_batch(sqlite_url: str) -> None:
    """A batch is of one account, whatever calendars its events are in (cronofy-api §6)."""
    async with a_world(sqlite_url, behaviour=quiet(), verify_delay=0.2) as world:
        world.add_account(calendars=("cal_a", "cal_b"))
        for number in range(50):
            world.add_event(number, calendar_id="cal_a" if number % 2 else "cal_b")
        wanted = {
            calendar_id: [
                number for number in range(50) if (number % 2 == 0) == (calendar_id == "cal_b")
            ]
            for calendar_id in ("cal_a", "cal_b")
        }
        campaign = world.submit_to(wanted)

        await world.drain(campaign)

        assert calls(world, campaign).total() == forecast(50)


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """Collect every statement that goes to the database."""
    seen: list[str] = []
    engine = world.store.database.engine

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("verify", ["run", "proof"])
async def test_a_chunks_statements_do_not_grow_with_its_edits(
    database_url: str, verify: str
) -> None:
    """Bulk statements only: ten times the edits of a batch are as many statements."""
    counts = {}
    async with a_world(database_url, behaviour=quiet(), verify_delay=0.0) as world:
        fill(world, 56)
        await world.drain(world.submit([55], key="first"))  # lists the calendars
        for edits, key in ((5, "few"), (50, "many")):
            first = 0 if edits == 5 else 5
            campaign = world.submit(range(first, first + edits), key=key)
            if verify == "run":
                with statements(world) as seen:
                    await run_chunk(world.engine, f"{campaign}.1")
            else:
                await run_chunk(world.engine, f"{campaign}.1")
                with statements(world) as seen:
                    await world.step()
            counts[edits] = len(seen)
            await world.drain(campaign)
    assert counts[50] == counts[5]
    assert counts[50] <= 36


async def test_the_lanes_of_a_chunk_share_transactions(sqlite_url: str) -> None:
    """What several batches have to write down at the same time is one transaction."""
    async with a_world(sqlite_url, behaviour=quiet(), verify_delay=0.2) as world:
        fill(world, 200)
        campaign = world.submit(range(200), chunk_size=1000)
        with statements(world) as seen:
            await run_chunk(world.engine, f"{campaign}.1")
        intents = [one for one in seen if one.startswith("UPDATE edits SET") and "sent_at" in one]
        assert 1 <= len(intents) < 4
        await world.drain(campaign)
        world.audit_run()


def test_permissions_are_believed_for_longer_than_refusals() -> None:
    """The defaults: a day, and a quarter of an hour."""
    settings = Settings.load({})
    assert settings.calendars_trust > settings.calendars_ttl
