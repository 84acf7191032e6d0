"""Reading the append-only audit, and proving that nothing of it was changed or removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select, text

from worker.store.chains import Head, entry_digest, note_named
from worker.store.database import Database
from worker.store.lookup import edits_of, is_one_of
from worker.store.settling import digest_of_heads
from worker.store.tables import audit, edits
from worker.store.values import AuditRow, Note

# A chain's row says where the chain ends. Compared in SQL, so that memory stays flat (law 11).
_TAILS = """
SELECT h.id, h.seq, a.digest AS found, h.digest AS expected,
       (SELECT max(x.seq) FROM audit x WHERE x.chain = h.id) AS last
FROM (SELECT id, audit_seq AS seq, audit_head AS digest FROM chunks
      UNION ALL SELECT id, audit_seq, audit_head FROM campaigns) AS h
LEFT JOIN audit a ON a.chain = h.id AND a.seq = h.seq
WHERE coalesce(a.digest, '') <> h.digest OR (a.digest IS NULL AND h.seq > 0)
   OR EXISTS (SELECT 1 FROM audit x WHERE x.chain = h.id AND x.seq > h.seq)
ORDER BY h.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place where a chain does not hold."""

    chain: str
    seq: int
    why: str


class Audit:
    """Every statement that reads the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_event(self, event_uid: str) -> list[AuditRow]:
        """Return every entry about an event, over all campaigns, oldest first."""
        about = (audit.c.campaign_id == edits.c.campaign_id) & (audit.c.line_no == edits.c.line_no)
        found = edits_of(self._database, event_uid)
        query = select(audit).join(edits, about).join(found, is_one_of(found))
        with self._database.read() as connection:
            return list(_rows(connection, query.order_by(audit.c.at, audit.c.id)))

    def note(self, chain: str, notes: Sequence[Note], *, campaign_id: str | None = None) -> None:
        """Append to a chain that has no head of its own elsewhere (accounts, the vault)."""
        self._database.run(
            lambda connection: note_named(
                self._database, connection, notes=notes, chain=chain, campaign_id=campaign_id
            )
        )

    def verify(self) -> tuple[int, list[Break]]:
        """Walk every chain; returns the number of entries and all breaks.

        Streams one snapshot, so that work may go on meanwhile. What it cannot see is a cut end of
        an account's chain, whose head is kept nowhere else.
        """
        count, breaks = 0, list[Break]()
        chain, last = "", Head()
        with self._database.read() as connection:
            query = select(audit).order_by(audit.c.chain, audit.c.seq)
            for row in _rows(connection, query):
                if row.chain != chain:
                    chain, last = row.chain, Head()
                breaks += _check(row, last)
                last = Head(seq=row.seq, digest=row.digest)
                count += 1
            breaks += _tails(connection)
            breaks += _unbound(connection)
        return count, breaks


def _rows(connection: Connection, query: Select[Any]) -> Iterator[AuditRow]:
    with connection.execute(query, execution_options={"yield_per": 2000}) as rows:
        for row in rows:
            values = row._asdict()
            del values["id"]
            yield AuditRow(**values)


def _check(row: AuditRow, last: Head) -> list[Break]:
    if row.seq != last.seq + 1:
        return [Break(chain=row.chain, seq=last.seq + 1, why="an entry is missing")]
    if row.prev != last.digest:
        return [Break(chain=row.chain, seq=row.seq, why="does not continue the entry before it")]
    if entry_digest(row) != row.digest:
        return [Break(chain=row.chain, seq=row.seq, why="has been changed")]
    return []


def _tails(connection: Connection) -> Iterator[Break]:
    """Find chains that do not end as their chunk or campaign says."""
    for row in connection.execute(text(_TAILS)):
        if row.last is None:
            yield Break(chain=row.id, seq=1, why="the whole chain is missing")
        elif row.found is None and row.last < row.seq:
            yield Break(chain=row.id, seq=row.last + 1, why="the end has been cut off")
        elif row.last > row.seq:
            yield Break(chain=row.id, seq=row.seq + 1, why="goes on after its end")
        else:
            yield Break(chain=row.id, seq=row.seq, why="does not end as recorded")


def _unbound(connection: Connection) -> Iterator[Break]:
    """Find ended campaigns whose chunks' heads are not those that their last entry bound."""
    ended = connection.execute(
        text(
            "SELECT c.id, a.seq, a.detail FROM campaigns c"
            " JOIN audit a ON a.chain = c.id AND a.seq = c.audit_seq"
            " WHERE c.finished_at IS NOT NULL ORDER BY c.id"
        )
    ).all()
    for row in ended:
        bound = msgspec.json.decode(row.detail).get("chunk_heads")
        if bound is not None and bound != digest_of_heads(connection, row.id):
            why = "the chunks' chains are not those the campaign ended with"
            yield Break(chain=row.id, seq=row.seq, why=why)
