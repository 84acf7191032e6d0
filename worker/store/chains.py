"""The audit's chains: entries in order, each with the digest of the one before it.

There is one chain per chunk and campaign, whose rows keep the chain's head, and named ones (an
account's, the vault's), whose heads are in a table of their own.
An entry's digest is SHA-256 over its canonical JSON. Entries name fields, codes, statuses and keyed
digests of images, never event text: erasing a person's data leaves the chain whole (law 10).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec
from sqlalchemy import Connection, text

from worker.store.database import Database
from worker.store.values import AuditRow, Note

_COLUMNS = {
    "chain": "text",
    "seq": "integer",
    "campaign_id": "text",
    "line_no": "integer",
    "at": "text",
    "actor": "text",
    "action": "text",
    "code": "text",
    "detail": "text",
    "prev": "text",
    "digest": "text",
}


_DIGESTED = "%Y-%m-%dT%H:%M:%S.%f"
_STORED = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends: the number of its entries and the last one's digest."""

    seq: int = 0
    digest: str = ""


def entry_digest(row: AuditRow) -> str:
    """Return SHA-256 over an entry's fields as a JSON list, the previous digest included."""
    at = row.at.astimezone(UTC).strftime(_DIGESTED)
    return _digest(
        row.chain, row.seq, row.campaign_id, row.line_no, at, row.actor, row.action, row.code,
        row.detail, row.prev,
    )  # fmt: skip


def _digest(*fields: str | int | None) -> str:
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def chained(
    notes: Sequence[Note], *, chain: str, campaign_id: str | None, head: Head, at: datetime
) -> list[tuple[str | int | None, ...]]:
    """Return the entries that continue a chain from `head`, in order: values of `_COLUMNS`."""
    digested, stored = (at.astimezone(UTC).strftime(form) for form in (_DIGESTED, _STORED))
    rows: list[tuple[str | int | None, ...]] = []
    prev = head.digest
    for seq, note in enumerate(notes, start=head.seq + 1):
        actor, code = _storable(note.actor), _storable(note.code)
        detail = msgspec.json.encode(note.detail).decode()
        digest = _digest(
            chain, seq, campaign_id, note.line_no, digested, actor, note.action, code, detail, prev
        )
        rows.append(
            (chain, seq, campaign_id, note.line_no, stored, actor, note.action, code, detail, prev,
             digest)
        )  # fmt: skip
        prev = digest
    return rows


def append(
    database: Database,
    connection: Connection,
    *,
    notes: Sequence[Note],
    chain: str,
    campaign_id: str | None,
    head: Head,
) -> Head:
    """Insert notes behind a chain's head, in one statement; returns the new head.

    The caller holds the chain: nobody else may read the same head before this transaction ends.
    """
    if not notes:
        return head
    rows = chained(
        notes, chain=chain, campaign_id=campaign_id, head=head, at=database.now_in(connection)
    )
    insert = f"INSERT INTO audit ({', '.join(_COLUMNS)})"
    # The session's zone is UTC, so that the text is read as what it is.
    picked = ", ".join(
        "CAST(v.at AS timestamptz)" if name == "at" else f"v.{name}" for name in _COLUMNS
    )
    database.for_each(
        connection,
        rows,
        columns=_COLUMNS,
        one=f"{insert} VALUES ({', '.join('?' * len(_COLUMNS))})",
        joint=f"{insert} SELECT {picked} FROM {database.records(_COLUMNS)}",
    )
    return Head(seq=head.seq + len(rows), digest=str(rows[-1][-1]))


def note_chunk(
    database: Database,
    connection: Connection,
    *,
    notes: Sequence[Note],
    chunk_id: str,
    campaign_id: str,
    head: Head,
) -> None:
    """Append to a chunk's chain; the caller has locked its row, and read the head since."""
    if notes:
        head = append(
            database, connection, notes=notes, chain=chunk_id, campaign_id=campaign_id, head=head
        )
        _keep_head(connection, head, table="chunks", row_id=chunk_id)


def note_campaign(
    database: Database, connection: Connection, *, notes: Sequence[Note], campaign_id: str
) -> None:
    """Append to a campaign's own chain."""
    if not notes:
        return
    row = connection.execute(
        text(f"SELECT audit_seq, audit_head FROM campaigns WHERE id = :id{database.for_update}"),
        {"id": campaign_id},
    ).one()
    head = Head(seq=row.audit_seq, digest=row.audit_head)
    head = append(
        database, connection, notes=notes, chain=campaign_id, campaign_id=campaign_id, head=head
    )
    _keep_head(connection, head, table="campaigns", row_id=campaign_id)


def note_named(
    database: Database,
    connection: Connection,
    *,
    notes: Sequence[Note],
    chain: str,
    campaign_id: str | None = None,
) -> None:
    """Append to a chain that is no chunk's or campaign's, and keep its head.

    It goes on from where it ends, whatever the kept head says: work must not stop for what
    somebody has done to the audit. Where the two differ is kept, for `verify` to tell.
    """
    if not notes:
        return
    database.lock(connection, f"chain {chain}")
    found = connection.execute(
        text("SELECT seq, digest FROM audit WHERE chain = :chain ORDER BY seq DESC LIMIT 1"),
        {"chain": chain},
    ).first()
    end = Head(seq=found.seq, digest=found.digest) if found else Head()
    head = append(database, connection, notes=notes, chain=chain, campaign_id=campaign_id, head=end)
    if database.older_beside:
        sql = "DELETE FROM chain_heads WHERE chain = :chain OR chain = ''"
        connection.execute(text(sql), {"chain": chain})
    else:
        _keep_named(connection, head, chain=chain, stray=_stray(connection, end, chain=chain))


def _stray(connection: Connection, end: Head, *, chain: str) -> int | None:
    """Return the first entry of a chain's end that is not what was kept; None when all is well."""
    sql = text("SELECT seq, head FROM chain_heads WHERE chain = :chain")
    kept = connection.execute(sql, {"chain": chain}).first()
    if kept is None or (kept.seq, kept.head) == (end.seq, end.digest):
        return None
    return min(kept.seq, end.seq) + 1 if kept.seq != end.seq else end.seq


def _keep_named(connection: Connection, head: Head, *, chain: str, stray: int | None) -> None:
    connection.execute(
        text(
            "INSERT INTO chain_heads (chain, seq, head, stray)"
            " VALUES (:chain, :seq, :head, :stray) ON CONFLICT (chain) DO UPDATE SET"
            " seq = excluded.seq, head = excluded.head,"
            " stray = coalesce(chain_heads.stray, excluded.stray)"
        ),
        {"chain": chain, "seq": head.seq, "head": head.digest, "stray": stray},
    )


def _keep_head(
    connection: Connection, head: Head, *, table: Literal["chunks", "campaigns"], row_id: str
) -> None:
    connection.execute(
        text(f"UPDATE {table} SET audit_seq = :seq, audit_head = :head WHERE id = :id"),
        {"id": row_id, "seq": head.seq, "head": head.digest},
    )


def _storable(said: str) -> str:
    """Drop NUL, which PostgreSQL keeps in no text."""
    return said.replace("\0", "")
