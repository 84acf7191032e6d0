"""What other campaigns have to do with a spool's events: whether they edit them now, and where an
equal earlier shift has put them.

Looked up by hash, and compared by the texts themselves. Where nothing was ever submitted, nothing
is looked up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from worker.model import Code
from worker.store.database import Database
from worker.store.filling import BATCH, copying, escaped
from worker.store.priors import prior_of
from worker.store.spool import faults
from worker.store.tables import ENDED, OPEN, of

# An earlier shift counts whatever it ended as, once it was sent: a write that failed in doubt may
# have moved the event all the same (law 3); and whether its image is still there or not. The latest
# comes last.
_SAME = """
FROM (SELECT * FROM spooled WHERE n > :before AND n <= :last) AS s
JOIN edits AS e ON e.place_hash = s.place_hash AND e.event_hash = s.event_hash
"""
_HELD = text(f"SELECT s.n, e.account, e.calendar_id, e.event_uid {_SAME} WHERE {of('e', OPEN)}")
_SHIFTED = text(
    "SELECT e.campaign_id, e.line_no, e.target, s.n, e.account, e.calendar_id, e.event_uid"
    f" {_SAME} WHERE {of('e', ENDED)} AND e.change_digest = s.change_digest AND s.relative"
    " AND e.sent_at IS NOT NULL ORDER BY s.n, e.sent_at"
)
_THIS = "n = ? AND account = ? AND calendar_id = ? AND event_uid = ?"
_HOLD = f"UPDATE spooled SET code = '{Code.ALREADY_IN_CAMPAIGN}' WHERE code IS NULL AND {_THIS}"
_RECALL = f"UPDATE spooled SET prior_target = ? WHERE {_THIS}"

_KEYS = "n, event_hash, place_hash, relative, change_digest"
_TEMPORARY = text(
    "CREATE TEMPORARY TABLE spooled (n integer, event_hash bigint, place_hash bigint,"
    " relative boolean, change_digest text) ON COMMIT DROP"
)
#: ways of the planner that may look at all edits, or at all open ones, for each batch
_WAYS = ("hashjoin", "mergejoin", "seqscan", "bitmapscan", "material", "memoize")
_INDEX = text("CREATE INDEX ON spooled (n)")


def find_held(
    database: Database,
    connection: Connection,
    *,
    cursor: sqlite3.Cursor,
    count: int,
    copies: bool,
) -> int:
    """Note in the spool what is held and where shifts have put events; returns how many are held.

    `copies` notes plain targets themselves, as a calpatch before 0004 reads them (`priors`).
    The caller holds the lock on submissions: two at once would not see each other's events.
    """
    if connection.execute(text("SELECT 1 FROM edits LIMIT 1")).first() is None:
        return 0
    if not database.is_sqlite:
        _send_keys(connection, cursor, count=count)
    held = 0
    for before in range(0, count, BATCH):
        here = {"before": before, "last": before + BATCH}
        shifted = [
            (prior_of(row.campaign_id, row.line_no, row.target, copies=copies), *row[3:])
            for row in connection.execute(_SHIFTED, here)
        ]
        held += _note(cursor, shifted=shifted, held=connection.execute(_HELD, here).all())
    if not database.is_sqlite:
        _plan_freely(connection)
    return held


def _note(
    cursor: sqlite3.Cursor, *, shifted: Sequence[tuple[Any, ...]], held: Sequence[Row[Any]]
) -> int:
    """Write down matches; a line whose hashes are a stranger's is left as it is."""
    with faults():
        # Where the spool has a connection of its own, each row would be a transaction of its own.
        is_alone = not cursor.connection.in_transaction
        if is_alone:
            cursor.execute("BEGIN")
        cursor.executemany(_RECALL, shifted)
        noted = cursor.executemany(_HOLD, map(tuple, held)).rowcount if held else 0
        if is_alone:
            cursor.execute("COMMIT")
    return noted


def _plan_freely(connection: Connection) -> None:
    for way in _WAYS:
        connection.execute(text(f"SET LOCAL enable_{way} = on"))


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
    # A batch is a few thousand lines, whatever the history: by the index on events, and never by
    # going through all edits, which the planner takes for cheap after many new lines.
    for way in _WAYS:
        connection.execute(text(f"SET LOCAL enable_{way} = off"))
