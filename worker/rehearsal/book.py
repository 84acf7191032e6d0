"""The copy that a campaign is rehearsed on, as it is written, and what is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from worker.model import AccountStatus
from worker.simulator.seeds import write_world
from worker.simulator.values import Account, Calendar, Event


class Standing(NamedTuple):
    """Why an account cannot be used, as the database or the API has it."""

    status: AccountStatus
    reason: str


@dataclass(slots=True, kw_only=True)
class Copied:
    """What a copy holds. `calls` were made for it."""

    accounts: int = 0
    calendars: int = 0
    events: int = 0
    #: without a uid or a time, so that nothing could be done to them
    unusable: int = 0
    calls: int = 0
    #: accounts that could not be read: they are in the copy, as out of use as they are
    unread: dict[str, Standing] = field(default_factory=dict)


class Book:
    """Writes a copy; nobody else may read it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.copied = Copied()

    def add(
        self, account: Account, calendars: Collection[Calendar], events: Collection[Event]
    ) -> None:
        """Write an account with what it has."""
        self.copied.accounts += 1
        self.copied.calendars += len(calendars)
        self.copied.events += len(events)
        write_world(self._file, account, *calendars)
        for event in events:
            write_world(self._file, event)


@contextmanager
def open_book(path: Path) -> Iterator[Book]:
    """Open a copy to be written."""
    path.touch(mode=0o600)
    with path.open("wb") as file:
        yield Book(file)
