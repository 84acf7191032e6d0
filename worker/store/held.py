"""What other campaigns have to do with a spool's events: whether they edit them now, and where an
equal earlier shift has put them.

Looked up by hash, and compared by the texts themselves. Where nothing was ever submitted, nothing
is looked up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from worker.model import Code
from worker.store.database import Database
from worker.store.filling import BATCH, copying, escaped
from worker.store.spool import faults

# An earlier shift counts whatever it ended as, once it was sent: a write that failed in doubt may
# have moved the event all the same (law 3). The latest comes last.
_MATCHES = text("""
SELECT s.n, e.account, e.calendar_id, e.event_uid,
  CASE WHEN e.state IN ('pending', 'sending', 'accepted') THEN 1 ELSE 0 END AS is_held,
  CASE WHEN e.change_digest = s.shift AND e.sent_at IS NOT NULL THEN e.target END AS target
FROM (SELECT n, event_hash, place_hash, CASE WHEN relative THEN change_digest END AS shift
      FROM spooled WHERE n > :before AND n <= :last) AS s
JOIN edits AS e ON e.event_hash = s.event_hash AND e.place_hash = s.place_hash
WHERE e.state IN ('pending', 'sending', 'accepted')
   OR (e.change_digest = s.shift AND e.sent_at IS NOT NULL AND e.target IS NOT NULL)
ORDER BY s.n, e.sent_at
""")
_THIS = "n = ? AND account = ? AND calendar_id = ? AND event_uid = ?"
_HOLD = f"UPDATE spooled SET code = '{Code.ALREADY_IN_CAMPAIGN}' WHERE {_THIS}"
_RECALL = f"UPDATE spooled SET prior_target = ? WHERE {_THIS}"

_KEYS = "n, event_hash, place_hash, relative, change_digest"
_TEMPORARY = text(
    "CREATE TEMPORARY TABLE spooled (n integer, event_hash bigint, place_hash bigint,"
    " relative boolean, change_digest text) ON COMMIT DROP"
)
_INDEX = text("CREATE INDEX ON spooled (n)")


def find_held(
    database: Database, connection: Connection, *, cursor: sqlite3.Cursor, count: int
) -> int:
    """Note in the spool what is held and where shifts have put events; returns how many are held.

    The caller holds the lock on submissions: two at once would not see each other's events.
    """
    if connection.execute(text("SELECT 1 FROM edits LIMIT 1")).first() is None:
        return 0
    if not database.is_sqlite:
        _send_keys(connection, cursor, count=count)
    held = 0
    for before in range(0, count, BATCH):
        found = connection.execute(_MATCHES, {"before": before, "last": before + BATCH}).all()
        held += _note(cursor, found)
    return held


def _note(cursor: sqlite3.Cursor, found: Sequence[Any]) -> int:
    """Write down matches; a line whose hashes are a stranger's is left as it is."""
    with faults():
        recalled = [(row.target, *row[:4]) for row in found if row.target is not None]
        cursor.executemany(_RECALL, recalled)
        holds = [tuple(row[:4]) for row in found if row.is_held]
        return cursor.executemany(_HOLD, holds).rowcount if holds else 0


def _send_keys(connection: Connection, cursor: sqlite3.Cursor, *, count: int) -> None:
    """Let PostgreSQL know what is asked for, in a table of this transaction."""
    connection.execute(_TEMPORARY)
    lines = (
        "SELECT group_concat(printf('%d\t%d\t%d\t%d\t%s\n', n, event_hash, place_hash,"
        f" relative, {escaped('change_digest')}), '') FROM spooled WHERE n > ? AND n <= ?"
    )
    with copying(connection, f"COPY spooled ({_KEYS}) FROM STDIN") as copy:
        for before in range(0, count, BATCH):
            with faults():
                copy.write(cursor.execute(lines, (before, before + BATCH)).fetchone()[0])
    connection.execute(_INDEX)
    connection.execute(text("ANALYZE spooled"))
