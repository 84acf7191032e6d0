"""Moving a spool's lines into the edits: SQLite reads the spool itself, PostgreSQL takes a COPY.

Both do it in C, a batch at a time, so that Python does nothing for each line but to name its chunk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from worker.model import Code
from worker.store.database import Database
from worker.store.faults import translated
from worker.store.placing import Places
from worker.store.spool import Spool, faults

if TYPE_CHECKING:  # loaded by the database that needs it: 9 MB
    import psycopg

#: told how many lines are in the database
Progress: TypeAlias = Callable[[int], None]

#: lines at a time: about 2 MB of text, and a tenth of a second
BATCH = 5_000
#: the same for SQLite, which moves them faster the more there are: two tenths of a second
_MANY = 20_000
#: what SQLite keeps of the tables meanwhile, in KiB: two indexes are written in random order, and
#: those of a million lines fit
_CACHE_KIB = 49_152

_AS_READ = (
    "line_no", "account", "calendar_id", "event_uid", "hint", "ref", "patch", "cells",
    "change_digest", "event_hash", "place_hash", "prior_target",
)  # fmt: skip
_INTEGERS = frozenset({"line_no", "event_hash", "place_hash"})
_COLUMNS = ("campaign_id", "chunk_id", *_AS_READ, "state", "code", "finished_at")

_ENDED = "(repeats <> 0 OR code IS NOT NULL)"
_STATE = (
    f"CASE WHEN code = '{Code.BEYOND_LIMIT}' THEN 'not_attempted' WHEN {_ENDED} THEN 'skipped'"
    " ELSE 'pending' END"
)
_CODE = "CASE WHEN repeats <> 0 THEN 'duplicate_in_file' ELSE coalesce(code, '') END"
#: the chunk's id; null for a line that is in none
_CHUNK = "? || '.' || nullif(number_of(n), 0)"
_BETWEEN = "FROM spooled WHERE n > ? AND n <= ?"


@contextmanager
def spool_in(database: Database, connection: Connection, spool: Spool) -> Iterator[sqlite3.Cursor]:
    """Give what runs statements on the spool within a transaction; SQLite sees both then.

    That connection is closed afterwards and not used again: nothing of the spool stays with it.
    """
    if not database.is_sqlite:
        yield spool.cursor()
        return
    raw: Any = connection.connection.driver_connection
    connection.detach()
    raw.execute(f"PRAGMA cache_size = -{_CACHE_KIB}").close()
    raw.execute("ATTACH ? AS spool", [str(spool.file)]).close()
    yield raw.cursor()


def fill(
    database: Database,
    connection: Connection,
    *,
    cursor: sqlite3.Cursor,
    campaign_id: str,
    places: Places,
    count: int,
    progress: Progress | None,
) -> None:
    """Insert all lines, each with its chunk."""
    cursor.connection.create_function("number_of", 1, places.numbers.__getitem__)
    way = _insert if database.is_sqlite else _copy
    for done in way(database, connection, cursor=cursor, campaign_id=campaign_id, count=count):
        if progress is not None:
            progress(done)


def _insert(
    database: Database,
    connection: Connection,
    *,
    cursor: sqlite3.Cursor,  # noqa: ARG001 - the same connection, by the way that tells errors well
    campaign_id: str,
    count: int,
) -> Iterator[int]:
    sql = (
        f"INSERT INTO main.edits ({', '.join(_COLUMNS)})"
        f" SELECT ?, {_CHUNK}, {', '.join(_AS_READ)}, {_STATE}, {_CODE},"
        f" CASE WHEN {_ENDED} THEN {database.now_sql} END {_BETWEEN}"
    )
    for before in range(0, count, _MANY):
        connection.exec_driver_sql(sql, (campaign_id, campaign_id, before, before + _MANY))
        yield min(before + _MANY, count)


def _copy(
    database: Database,
    connection: Connection,
    *,
    cursor: sqlite3.Cursor,
    campaign_id: str,
    count: int,
) -> Iterator[int]:
    now = database.now_in(connection).isoformat()
    statement = f"COPY edits ({', '.join(_COLUMNS)}) FROM STDIN (NULL '{_NULL}')"
    with copying(connection, statement) as copy:
        for before in range(0, count, BATCH):
            last = min(before + BATCH, count)
            asked = (campaign_id, campaign_id, now, before, last)
            with faults():
                found = _plain(cursor.execute(_LINES, asked).fetchone()[0], last - before)
                copy.write(found or cursor.execute(_ESCAPED_LINES, asked).fetchone()[0])
            yield last


def _plain(lines: str, count: int) -> str | None:
    """Return lines as COPY reads them; None when a tab or a line end is within one of the texts."""
    marks = (lines.count("\n"), lines.count("\t"), lines.count("\r"))
    if marks != (count, count * (len(_COLUMNS) - 1), 0):
        return None
    return lines.replace("\\", "\\\\")


@contextmanager
def copying(connection: Connection, statement: str) -> Iterator[psycopg.Copy]:
    raw: Any = connection.connection.driver_connection
    import psycopg

    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except psycopg.Error as broken:
        # The cause would bring the row's values into every traceback (law 9).
        raise translated(DBAPIError("COPY", None, broken)) from None


#: stands for null: no text has control characters, and what is read from one is JSON
_NULL = "\x01"
_CELLS = {
    "campaign_id": "?",
    "chunk_id": f"coalesce({_CHUNK}, char(1))",
    **{name: name for name in _AS_READ},
    "hint": "coalesce(hint, char(1))",
    "prior_target": "coalesce(prior_target, char(1))",
    "state": _STATE,
    "code": _CODE,
    "finished_at": f"CASE WHEN {_ENDED} THEN ? ELSE char(1) END",
}
#: those whose texts come from outside
_TEXTS = frozenset(_AS_READ) - _INTEGERS


def _lines(cells: dict[str, str]) -> str:
    form = "\t".join("%d" if name in _INTEGERS else "%s" for name in _COLUMNS)
    listed = ", ".join(cells[name] for name in _COLUMNS)
    return f"SELECT group_concat(printf('{form}\n', {listed}), '') {_BETWEEN}"


def escaped(cell: str) -> str:
    """Return SQL for a text as COPY reads it (postgresql.org/docs/current/sql-copy.html)."""
    marks = (("'\\'", "'\\\\'"), ("char(9)", "'\\t'"), ("char(10)", "'\\n'"), ("char(13)", "'\\r'"))
    for mark, written in marks:
        cell = f"replace({cell}, {mark}, {written})"
    return cell


_LINES = _lines(_CELLS)
_ESCAPED_LINES = _lines(
    {name: escaped(cell) if name in _TEXTS else cell for name, cell in _CELLS.items()}
)
