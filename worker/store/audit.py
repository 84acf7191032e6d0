"""Reading the append-only audit, and proving that nothing of it was changed or removed.

What this cannot see is a database that somebody has written anew as a whole, heads included: for
that, `against` holds it to a digest that was kept outside of it (`summary.json`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select, text

from worker.store.binding import binding_seq, bound_heads, digest_of_heads
from worker.store.chains import Head, entry_digest, note_named
from worker.store.database import Database
from worker.store.lookup import edits_of, is_one_of
from worker.store.tables import audit, edits
from worker.store.values import AuditRow, Note

# A chain's row says where the chain ends. Compared in SQL, so that memory stays flat (law 11).
_TAILS = """
SELECT h.id, h.seq, a.digest AS found, h.digest AS expected,
       (SELECT max(x.seq) FROM audit x WHERE x.chain = h.id) AS last
FROM ({heads}) AS h
LEFT JOIN audit a ON a.chain = h.id AND a.seq = h.seq
WHERE coalesce(a.digest, '') <> h.digest OR (a.digest IS NULL AND h.seq > 0)
   OR EXISTS (SELECT 1 FROM audit x WHERE x.chain = h.id AND x.seq > h.seq)
ORDER BY h.id
"""
_HEADS = (
    "SELECT id, audit_seq AS seq, audit_head AS digest FROM chunks"
    " UNION ALL SELECT id, audit_seq, audit_head FROM campaigns"
)
_NAMED_HEADS = f"{_HEADS} UNION ALL SELECT chain, seq, head FROM chain_heads WHERE chain <> ''"

#: Chains that are nobody's; where they begin otherwise than with 1, an entry is missing anyway.
_NOBODYS = """
FROM audit a WHERE a.seq = 1
  AND NOT EXISTS (SELECT 1 FROM chunks k WHERE k.id = a.chain)
  AND NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.id = a.chain)
  AND NOT EXISTS (SELECT 1 FROM chain_heads h WHERE h.chain = a.chain)
"""
_ALL_ARE_KEPT = "SELECT 1 FROM chain_heads WHERE chain = ''"

_KEEP = f"""
INSERT INTO chain_heads (chain, seq, head)
SELECT e.chain, e.seq, e.digest FROM audit e JOIN (SELECT a.chain {_NOBODYS}) AS named
  ON named.chain = e.chain
WHERE e.seq = (SELECT max(x.seq) FROM audit x WHERE x.chain = e.chain)
ON CONFLICT (chain) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place where a chain does not hold."""

    chain: str
    seq: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a results folder keeps of a campaign's chains; `chunk_heads` "" while it ran."""

    campaign: str
    audit_head: str
    chunk_heads: str = ""


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
            rows = _rows(connection, query.order_by(audit.c.at, audit.c.id))
            return [_entry(row) for row in rows]

    def note(self, chain: str, notes: Sequence[Note], *, campaign_id: str | None = None) -> None:
        """Append to a named chain: an account's, the vault's."""
        self._database.run(
            lambda connection: note_named(
                self._database, connection, notes=notes, chain=chain, campaign_id=campaign_id
            )
        )

    def chunk_heads(self, campaign_id: str) -> str:
        """Return the digest over its chunks' heads that a campaign ended with; "" while it runs."""
        with self._database.read() as connection:
            return bound_heads(connection, campaign_id)

    def keep_heads(self) -> bool:
        """Keep the heads of all named chains from now on; False when they are kept already.

        For a database of before 0004, whose chains have none, once nothing older writes there.
        """

        def work(connection: Connection) -> bool:
            if connection.execute(text(_ALL_ARE_KEPT)).first() is not None:
                return False
            connection.execute(text(_KEEP))
            marked = "INSERT INTO chain_heads (chain, seq, head) VALUES ('', 0, '')"
            connection.execute(text(f"{marked} ON CONFLICT (chain) DO NOTHING"))
            return True

        return False if self._database.older_beside else self._database.run(work)

    def verify(self, *, against: Sequence[Kept] = ()) -> tuple[int, list[Break]]:
        """Walk every chain; returns the number of entries and all breaks, the first of each first.

        Streams one snapshot, so that work may go on meanwhile.
        """
        count, breaks = 0, list[Break]()
        chain, last, last_id = "", Head(), 0
        with self._database.read() as connection:
            query = select(audit).order_by(audit.c.chain, audit.c.seq)
            for row in _rows(connection, query):
                if row.chain != chain:
                    chain, last, last_id = row.chain, Head(), 0
                breaks += _check(_entry(row), last) or _order(row, last_id)
                last, last_id = Head(seq=row.seq, digest=row.digest), row.id
                count += 1
            breaks += self._ends(connection)
            breaks += _unbound(connection)
            for kept in against:
                breaks += _differences(connection, kept)
        return count, breaks

    def _ends(self, connection: Connection) -> Iterator[Break]:
        """Find chains that end otherwise than was kept, or that are nobody's."""
        heads = _HEADS if self._database.older_beside else _NAMED_HEADS
        yield from _tails(connection, heads)
        strays = "SELECT chain, stray FROM chain_heads WHERE stray IS NOT NULL ORDER BY chain"
        for row in connection.execute(text(strays)):
            why = "the end was changed by hand here, and calpatch has written behind it since"
            yield Break(chain=row.chain, seq=row.stray, why=why)
        if connection.execute(text(_ALL_ARE_KEPT)).first() is not None:
            for name in connection.execute(text(f"SELECT a.chain {_NOBODYS} ORDER BY a.chain")):
                yield Break(chain=name.chain, seq=1, why="is of nothing that calpatch knows")


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    with connection.execute(query, execution_options={"yield_per": 2000}) as rows:
        yield from rows


def _entry(row: Row[Any]) -> AuditRow:
    values = row._asdict()
    del values["id"]
    return AuditRow(**values)


def _check(row: AuditRow, last: Head) -> list[Break]:
    if row.seq != last.seq + 1:
        return [Break(chain=row.chain, seq=last.seq + 1, why="an entry is missing")]
    if row.prev != last.digest:
        return [Break(chain=row.chain, seq=row.seq, why="does not continue the entry before it")]
    if entry_digest(row) != row.digest:
        return [Break(chain=row.chain, seq=row.seq, why="has been changed")]
    return []


def _order(row: Row[Any], last_id: int) -> list[Break]:
    """Find an entry whose id is not behind that of the one before: ids say the order as well."""
    if row.id > last_id:
        return []
    return [Break(chain=row.chain, seq=row.seq, why="does not stand where it was written")]


def _tails(connection: Connection, heads: str) -> Iterator[Break]:
    """Find chains that do not end as their chunk, campaign or kept head says."""
    for row in connection.execute(text(_TAILS.format(heads=heads))):
        if row.last is None:
            yield Break(chain=row.id, seq=1, why="the whole chain is missing")
        elif row.found is None and row.last < row.seq:
            yield Break(chain=row.id, seq=row.last + 1, why="the end has been cut off")
        elif row.last > row.seq:
            yield Break(chain=row.id, seq=row.seq + 1, why="goes on after its end")
        else:
            yield Break(chain=row.id, seq=row.seq, why="does not end as recorded")


def _unbound(connection: Connection) -> Iterator[Break]:
    """Find ended campaigns whose chunks' heads are not those that their end bound."""
    ended = connection.execute(
        text(
            "SELECT c.id, a.seq, a.detail FROM campaigns c"
            f" JOIN audit a ON a.chain = c.id AND a.seq = {binding_seq('c.id')}"
            " WHERE c.finished_at IS NOT NULL ORDER BY c.id"
        )
    ).all()
    for row in ended:
        if msgspec.json.decode(row.detail).get("chunk_heads") != digest_of_heads(
            connection, row.id
        ):
            why = "the chunks' chains are not those the campaign ended with"
            yield Break(chain=row.id, seq=row.seq, why=why)


def _differences(connection: Connection, kept: Kept) -> Iterator[Break]:
    """Find out whether the chains are those that a file outside of the database was written of."""
    here = "SELECT seq FROM audit WHERE chain = :id AND digest = :head"
    found = connection.execute(text(here), {"id": kept.campaign, "head": kept.audit_head}).first()
    if found is None:
        why = "is not the chain that the kept file was written from"
        yield Break(chain=kept.campaign, seq=1, why=why)
    if kept.chunk_heads and kept.chunk_heads != digest_of_heads(connection, kept.campaign):
        why = "the chunks' chains are not those that the kept file was written from"
        yield Break(chain=kept.campaign, seq=1, why=why)
