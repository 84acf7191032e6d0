"""Copied worlds: written by one, served by another, and nobody else's business."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from tests.unit.simulator.worlds import (
    ANN,
    BOB,
    BOBS,
    TEAM,
    WORK,
    a_body,
    a_calendar,
    a_world,
    an_account,
    an_event,
    calling,
)
from worker.simulator import Simulator, SimulatorServer
from worker.simulator.options import read_options
from worker.simulator.seeds import seed_people, seed_world, write_world
from worker.simulator.serve import build_world


def test_a_world_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field of every kind of event: what is lost here would be rehearsed wrongly."""
    path, sim, again = tmp_path / "world", Simulator(), Simulator()
    seed_people(sim, accounts=3, events=60, seed=1, today=date(2026, 9, 1))
    with path.open("wb") as file:
        for account in sim.accounts.values():
            write_world(file, msgspec.structs.replace(account, calendar_ids=[]))
        write_world(file, *sim.calendars.values())
        for event in sim.events.values():
            write_world(file, event)
    seed_world(again, path)
    assert again.events == sim.events
    assert all(type(event) is type(sim.events[key]) for key, event in again.events.items())
    assert again.calendars == sim.calendars
    assert again.accounts == sim.accounts
    assert again.access_tokens.keys() == sim.access_tokens.keys()


def test_the_command_line_serves_a_world(tmp_path: Path) -> None:
    """With nobody made up beside it."""
    path, sim = tmp_path / "world", Simulator()
    with path.open("wb") as file:
        write_world(file, an_account(), a_calendar(WORK), an_event())
    arguments = ["--world", str(path), "--no-control", "--accounts", "0", "--events", "0"]
    options = read_options(arguments)
    build_world(sim, options)
    assert [*sim.accounts] == [ANN]
    assert len(sim.events) == 1
    assert not options.control


def test_a_file_that_is_no_world_is_refused(tmp_path: Path) -> None:
    """ValueError, which the command line tells in one line."""
    path = tmp_path / "world"
    path.write_text('{"account": 1}\n')
    with pytest.raises(ValueError, match="Expected"):
        seed_world(Simulator(), path)


async def test_an_event_that_is_there_is_edited_whatever_its_uid() -> None:
    """A copy has the uids of its original, which an .ics file makes up as it likes."""
    event = an_event(event_uid="one@acme.com")
    async with calling(a_world(event, lag_s=0.0)) as caller:
        status, _ = await caller.edit(a_body(event_uid="one@acme.com"))
        assert status == 202
        assert caller.sim.event(WORK, "one@acme.com").start != event.start
        status, _ = await caller.edit(a_body(event_uid="two@acme.com"))
        assert status == 422


async def test_nobody_looks_into_a_world_without_control() -> None:
    """Its calendars are real people's, and other users of the machine reach its port."""
    sim = a_world()
    assert {WORK, TEAM, BOBS} == sim.calendars.keys()
    assert {ANN, BOB} == sim.accounts.keys()
    async with calling(sim) as caller, SimulatorServer(sim, control=False) as closed:
        assert (await caller.call("GET", "/_sim/events"))[0] == 200
        for path in ("events", "state", "requests", "stats"):
            status, body = await caller.call("GET", f"{closed.url}/_sim/{path}")
            assert status == 404, body
        assert (await caller.call("GET", f"{closed.url}/v1/calendars"))[0] == 200
