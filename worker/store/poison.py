"""Finding the edit that kills its workers: a chunk is halved until the edit stands alone.

A chunk of n edits in which one kills costs 4 + 2 log2(n) workers at most, the logarithm rounded up;
where it is the read-back that kills, 2 + log2(n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from worker.model import Code
from worker.store.chains import Head, note_chunk
from worker.store.chunks import MAX_RESCUES
from worker.store.database import Database
from worker.store.settling import left_over
from worker.store.values import Note

_UNSENT = "('pending', 'sending')"
_UNPROVEN = "('accepted')"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Poisoned:
    id: str
    campaign_id: str
    account: str
    head: Head


def _poison(database: Database) -> str:
    """Return SQL for the chunks `k` that were rescued too often and that nobody holds."""
    # A number, no parameter: in the words of the index on poison, which is nearly empty.
    return (
        f"k.rescues >= {MAX_RESCUES} AND (k.state IN ('pending', 'verifying')"
        f" OR (k.state = 'running' AND k.lease_until < {database.now_sql}))"
    )


def poisoned(database: Database, connection: Connection) -> list[str]:
    """Return every chunk that was rescued too often and that nobody holds."""
    sql = f"SELECT k.id FROM chunks k WHERE {_poison(database)} ORDER BY k.campaign_id, k.id"
    return list(connection.execute(text(sql)).scalars())


def take_apart(database: Database, connection: Connection, *, chunk_id: str) -> bool:
    """Take a poisoned chunk apart; False when it is not poisoned any more, or in other hands."""
    sql = text(
        "SELECT k.id, k.campaign_id, k.account, k.audit_seq, k.audit_head FROM chunks k"
        f" WHERE k.id = :id AND {_poison(database)}{database.skip_locked('k')}"
    )
    row = connection.execute(sql, {"id": chunk_id}).one_or_none()
    if row is None:
        return False
    chunk = _Poisoned(
        id=row.id,
        campaign_id=row.campaign_id,
        account=row.account,
        head=Head(seq=row.audit_seq, digest=row.audit_head),
    )
    _take_apart(database, connection, chunk=chunk)
    return True


def _take_apart(database: Database, connection: Connection, *, chunk: _Poisoned) -> None:
    """Move the unsent edits into two new chunks; those to be read back stay, and stay provable.

    Where nothing is unsent, it is the read-back that kills, and its edits are halved.
    """
    lines, state = _lines_in(connection, chunk, _UNSENT), "pending"
    if not lines:
        lines, state = _lines_in(connection, chunk, _UNPROVEN), "verifying"
    if len(lines) == 1:
        _fail(database, connection, chunk=chunk, line_no=lines[0])
    else:
        middle = len(lines) // 2
        for half in (lines[:middle], lines[middle:]):
            _split_off(database, connection, chunk=chunk, lines=half, state=state)
    connection.execute(
        text(
            "UPDATE chunks SET state = CASE"
            f" WHEN {left_over('chunks.id')} = 1 THEN 'verifying' ELSE 'done' END,"
            f" epoch = epoch + 1, rescues = 0, retry_at = {database.now_sql}, lease_owner = NULL,"
            " lease_until = NULL, dispatched_at = NULL WHERE id = :id"
        ),
        {"id": chunk.id},
    )


def _lines_in(connection: Connection, chunk: _Poisoned, states: str) -> Sequence[int]:
    sql = f"SELECT line_no FROM edits WHERE chunk_id = :id AND state IN {states} ORDER BY line_no"
    return connection.execute(text(sql), {"id": chunk.id}).scalars().all()


def _split_off(
    database: Database,
    connection: Connection,
    *,
    chunk: _Poisoned,
    lines: Sequence[int],
    state: str,
) -> None:
    if not lines:
        return
    number = _next_number(database, connection, campaign_id=chunk.campaign_id)
    new_id = f"{chunk.campaign_id}.{number}"
    connection.execute(
        text(
            "INSERT INTO chunks"
            " (id, campaign_id, number, account, size, reads_all, state, retry_at, rescues)"
            " SELECT :id, campaign_id, CAST(:number AS integer), account,"
            " CAST(:size AS integer), reads_all, CAST(:state AS text),"
            f" CASE WHEN :state = 'verifying' THEN {database.now_sql} END,"
            " CAST(:rescues AS integer) FROM chunks WHERE id = :old"
        ),
        {
            "id": new_id,
            "number": number,
            "old": chunk.id,
            "size": len(lines),
            "state": state,
            "rescues": MAX_RESCUES - 1,
        },
    )
    connection.execute(
        text(
            "UPDATE edits SET chunk_id = :new WHERE chunk_id = :old"
            f" AND state IN {_UNSENT if state == 'pending' else _UNPROVEN}"
            " AND line_no BETWEEN :first AND :last"
        ),
        {"new": new_id, "old": chunk.id, "first": lines[0], "last": lines[-1]},
    )


def _next_number(database: Database, connection: Connection, *, campaign_id: str) -> int:
    """Return a number no chunk of the campaign has: they count from 1, and none is ever deleted."""
    lock = text(f"SELECT id FROM campaigns WHERE id = :id{database.for_update}")
    connection.execute(lock, {"id": campaign_id})
    count = text("SELECT count(*) FROM chunks WHERE campaign_id = :id")
    return int(connection.execute(count, {"id": campaign_id}).scalar_one()) + 1


def _fail(database: Database, connection: Connection, *, chunk: _Poisoned, line_no: int) -> None:
    """End the edit that kills; one that may have been sent is not claimed to have failed."""
    state = connection.execute(
        text(
            "UPDATE edits SET state = CASE state WHEN 'pending' THEN 'failed'"
            f" ELSE 'unverified' END, code = :code, finished_at = {database.now_sql}"
            " WHERE campaign_id = :campaign AND line_no = :line"
            " AND state IN ('pending', 'sending', 'accepted') RETURNING state"
        ),
        {"campaign": chunk.campaign_id, "line": line_no, "code": str(Code.POISON)},
    ).scalar_one()
    note = Note(actor="calpatch", action=f"edit.{state}", code=Code.POISON, line_no=line_no)
    note_chunk(
        database,
        connection,
        notes=[note],
        chunk_id=chunk.id,
        campaign_id=chunk.campaign_id,
        head=chunk.head,
    )
