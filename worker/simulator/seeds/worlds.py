"""A whole world as a file: what a rehearsal runs on.

Somebody copies calendars into such a file, one account, calendar or event a line, and a simulator
serves them. The file holds made-up tokens alone.
"""

from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec.structs import asdict

from worker.simulator.moments import moment_of
from worker.simulator.simulator import Simulator
from worker.simulator.values import Account, Calendar, Event


class WrittenEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event whose times are still texts: a date is one, and so is a time."""

    start: str  # type: ignore[assignment]
    end: str  # type: ignore[assignment]


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three."""

    account: Account | None = None
    calendar: Calendar | None = None
    event: WrittenEvent | None = None


_line = msgspec.json.Decoder(_Line)
_encode = msgspec.json.Encoder().encode


def write_world(file: BinaryIO, *things: Account | Calendar | Event) -> None:
    """Appends accounts, calendars and events; what belongs to another comes after it."""
    file.writelines(_encode({type(thing).__name__.lower(): thing}) + b"\n" for thing in things)


def seed_world(sim: Simulator, path: Path) -> None:
    """Adds what a file holds. ValueError for one that is not such a file."""
    with path.open("rb") as file:
        for text in file:
            _add(sim, _line.decode(text))


def _add(sim: Simulator, line: _Line) -> None:
    if line.account is not None:
        sim.add_account(line.account)
    if line.calendar is not None:
        sim.add_calendar(line.calendar)
    if line.event is not None:
        fields = asdict(line.event)
        times = {name: moment_of(fields[name]) for name in ("start", "end")}
        sim.add_event(Event(**fields | times))
