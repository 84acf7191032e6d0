"""The auditor finds what it is there to find: a judge that acquits everybody proves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from tests.auditor import Truth, audit_run, truth_of
from tests.world import CALENDAR, HOUR, World, a_world, event_uid, soon
from worker.model import Patch
from worker.simulator.values import utc

COUNT = 4


@asynccontextmanager
async def after_a_run(sqlite_url: str) -> AsyncIterator[tuple[World, Truth]]:
    """Move some events and change a title; the world's own verdict at the end is left out."""
    try:
        async with a_world(sqlite_url) as world:
            world.add_account()
            for number in range(COUNT):
                world.add_event(number)
            world.add_event(COUNT, recurring=True)
            patches = {number: Patch(move=HOUR) for number in range(COUNT - 1)}
            patches[COUNT - 1] = Patch(summary="Another title")
            patches[COUNT] = Patch(move=HOUR)
            await world.drain(world.submit(patches))
            assert world.audit_run().is_clean
            yield world, truth_of(world.sim)
            raise _Enough
    except _Enough:
        return


class _Enough(Exception):
    """Leaves the world before it judges itself."""


SET = "UPDATE edits SET"
CUT = "UPDATE chunks SET audit_seq = audit_seq - 1"


def sql(world: World, statement: str, line_no: int = 0) -> None:
    """Change the database behind calpatch's back, of one line if one is named."""
    where = f" WHERE line_no = {line_no}" if line_no else ""
    with world.store.database.begin() as connection:
        connection.execute(text(statement + where))


def say(world: World, state: str) -> None:
    """Have one edit's row say something else."""
    sql(world, f"{SET} state = '{state}'", 3)


def shifted_twice(world: World) -> None:
    """The second hour that must never be."""
    last = world.sim.writes[-1]
    moved = soon(0) + timedelta(hours=2)
    body = last.body | {
        "event_uid": event_uid(0),
        "start": {"time": moved.strftime("%Y-%m-%dT%H:%M:%SZ"), "tzid": "Etc/UTC"},
        "end": {
            "time": (moved + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tzid": "Etc/UTC",
        },
    }
    world.sim.writes.append(replace(last, event_uid=event_uid(0), body=body))
    change_event(world, 0, start=moved, end=moved + timedelta(hours=1))


def target_was_shifted_twice(world: World) -> None:
    """Target and write agree with each other, but not with what was asked."""
    shifted_twice(world)
    own = [write for write in world.sim.writes if write.event_uid == event_uid(0)]
    world.sim.writes.remove(own[0])
    outcome = next(iter(world.store.reading.outcomes("c_campaign")))
    assert outcome.target is not None
    when = outcome.target.when
    later = replace(when, start=when.start + timedelta(hours=1), end=when.end + timedelta(hours=1))
    stored = msgspec.json.encode(replace(outcome.target, when=later)).decode()
    sql(world, f"{SET} target = '{stored}'", 2)


def change_event(world: World, number: int, **fields: object) -> None:
    """Change an event without a write, and without a person who says so."""
    key = (CALENDAR, event_uid(number))
    world.sim.events[key] = replace(world.sim.events[key], **fields, updated=utc(0))


def move_back(world: World, number: int) -> None:
    """Put an event where it was."""
    change_event(world, number, start=soon(number), end=soon(number) + timedelta(hours=1))


def write_to(world: World, number: int) -> None:
    """Take a write that nobody asked for."""
    world.sim.writes.append(replace(world.sim.writes[-1], event_uid=event_uid(number)))


Deed = Callable[[World], object]
DEEDS: dict[str, tuple[str, Deed]] = {
    "a shift that came twice": ("unexpected", shifted_twice),
    "a target that was shifted twice": ("duplicated", target_was_shifted_twice),
    "an event that is back where it was": ("lost", lambda world: move_back(world, 1)),
    "a title that is the old one": (
        "lost",
        lambda world: change_event(world, COUNT - 1, summary="The old title"),
    ),
    "a write to a recurring event": ("unexpected", lambda world: write_to(world, COUNT)),
    "more writes than intents": ("unexpected", lambda world: write_to(world, COUNT - 1)),
    "a change by nobody": ("unexpected", lambda world: change_event(world, COUNT, summary="Who?")),
    "an outcome that is gone": ("lost", lambda world: sql(world, "DELETE FROM edits", 3)),
    "an end that is none": ("lost", lambda world: say(world, "sending")),
    "a write that is denied": (
        "unexpected",
        lambda world: sql(world, f"{SET} state = 'unchanged'", 3),
    ),
    "an audit that says otherwise": (
        "broken",
        lambda world: sql(world, f"{SET} state = 'failed'", 3),
    ),
    "too many writes": ("broken", lambda world: [write_to(world, 0) for _ in range(5)]),
    "a chain that is cut": ("broken", lambda world: sql(world, CUT)),
}


@pytest.mark.parametrize("what", DEEDS)
async def test_what_is_wrong_is_found(sqlite_url: str, what: str) -> None:
    """Each kind of wrong by its name."""
    kind, deed = DEEDS[what]
    async with after_a_run(sqlite_url) as (world, _):
        deed(world)
        verdict = audit_run(world.store, truth_of(world.sim))
        assert getattr(verdict, kind), verdict
        with pytest.raises(AssertionError, match=kind):
            verdict.check()


async def test_secrets_and_texts_in_logs_are_found(sqlite_url: str) -> None:
    """I7: a token, and an event's own words."""
    async with after_a_run(sqlite_url) as (world, _):
        change_event(world, 0, description="Budget of the secret project")
        truth = truth_of(world.sim)
        told = audit_run(
            world.store,
            truth,
            secrets=["access-1"],
            logs="… access-1 …\n… Budget of the secret project …",
        )
        assert len([one for one in told.broken if "log" in one]) == 2
        assert not any("Budget" in one or "access-1" in one for one in told.broken)


async def test_a_person_in_between_explains_what_the_event_shows(sqlite_url: str) -> None:
    """What people do to their events is neither lost nor unexpected."""
    async with after_a_run(sqlite_url) as (world, _):
        world.sim.edit_as_user(CALENDAR, event_uid(0), summary="Mine")
        assert audit_run(world.store, truth_of(world.sim)).is_clean
