"""A SQLite database that one world after the other has to itself, emptied in a millisecond."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import event

from tests.faults.simulation.clock import BEGIN, tell_time
from worker.store import Database, migrate


class Stage:
    """The database, its empty original, and the clock of whichever world is on."""

    def __init__(self, folder: Path) -> None:
        self.database = _opened(folder / "stage.db", self._told)
        #: sees what is committed, from outside of all pools
        self.outside = sqlite3.connect(folder / "stage.db", isolation_level=None)
        self._original = sqlite3.connect(folder / "original.db")
        self.now: Callable[[], datetime] = lambda: BEGIN

    def _told(self) -> datetime:
        return self.now()

    def clear(self, now: Callable[[], datetime]) -> None:
        """Begin anew: empty tables, and another clock."""
        self.now = now
        with self.database.engine.connect() as connection:
            self._original.backup(connection.connection.driver_connection)

    def close(self) -> None:
        """Let go of the files."""
        self._original.close()
        self.outside.close()
        self.database.dispose()


@contextmanager
def a_stage() -> Iterator[Stage]:
    """Open a stage in a folder of its own."""
    with TemporaryDirectory() as name:
        original = _opened(Path(name) / "original.db", lambda: BEGIN)
        try:
            migrate(original)
        finally:
            original.dispose()
        with closing(Stage(Path(name))) as stage:
            yield stage


def _opened(path: Path, now: Callable[[], datetime]) -> Database:
    database = Database(f"sqlite:///{path}")

    @event.listens_for(database.engine.pool, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        tell_time(connection, now)
        # A power cut is not simulated: what is committed is there.
        connection.execute("PRAGMA synchronous = OFF").close()

    return database
