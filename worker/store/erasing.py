"""Erasing a person: the account with its tokens, the key of its images, and all texts of its edits.

What stays are ids, line numbers, states, codes, times and counts, and the audit, whose digests of
images nobody can compute any more. Of a change, the digest stays where the edit was sent: the same
shift of the same event is never made twice (law 3).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from worker.errors import StillOpen
from worker.store.blanking import compact, in_batches
from worker.store.chains import note_named
from worker.store.database import Database
from worker.store.tables import ENDED, OPEN, of
from worker.store.values import Note

#: campaigns that an error names
NAMED = 5

_BEGUN, _DONE = "account.erasing", "account.erased"

_OPEN_IN = text(
    "SELECT k.campaign_id, count(*) AS edits FROM chunks k"
    f" JOIN edits e ON e.chunk_id = k.id AND {of('e', OPEN)}"
    " WHERE k.account = :sub AND k.state <> 'done' GROUP BY k.campaign_id ORDER BY k.campaign_id"
)
_BLANK = """
UPDATE edits SET before = NULL, target = NULL, seen = NULL, prior_target = NULL, patch = '{}',
  cells = '[]', ref = '', error_key = '', hint = NULL, alike = '',
  change_digest = CASE WHEN sent_at IS NULL THEN '' ELSE change_digest END
"""
_TOLD = f"""account = :sub AND ({ENDED}) AND (patch <> '{{}}' OR cells <> '[]' OR ref <> ''
  OR error_key <> '' OR hint IS NOT NULL OR before IS NOT NULL OR target IS NOT NULL
  OR seen IS NOT NULL OR prior_target IS NOT NULL OR alike <> '')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure has blanked; what an earlier, interrupted one had is not counted again.

    `left` are edits that were submitted meanwhile and are open: to be erased when they have ended.
    """

    campaigns: int
    edits: int
    left: int


class Erasing:
    """The statements that erase a person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_known(self, sub: str) -> bool:
        """Tell whether there is an account of that name, or ever was an edit of one."""
        names = "SELECT sub AS name FROM accounts UNION ALL SELECT account FROM image_keys"
        sql = text(
            f"SELECT 1 FROM ({names} UNION ALL SELECT account FROM chunks"
            " UNION ALL SELECT account FROM edits) AS known WHERE name = :sub LIMIT 1"
        )
        with self._database.read() as connection:
            return connection.execute(sql, {"sub": sub}).first() is not None

    def refuse_open(self, sub: str) -> None:
        """Raise StillOpen while an account has open edits, with the campaigns that they are in."""
        with self._database.read() as connection:
            _refuse_open(connection, sub)

    def erase(self, sub: str, *, actor: str) -> Erased:
        """Erase a person; interrupted, it may be called again, and goes on.

        Raises StillOpen, with nothing done, while the account has open edits. What may stay in
        files and backups: see `compact`.
        """
        self._database.run(lambda connection: self._begin(connection, sub, actor=actor))
        counts = [
            in_batches(self._database, campaign, _BLANK, where=_TOLD, values={"sub": sub})
            for campaign in self._campaigns()
        ]
        campaigns, edits = sum(map(bool, counts)), sum(counts)
        self._database.run(
            lambda connection: self._end(
                connection, sub, actor=actor, campaigns=campaigns, edits=edits
            )
        )
        compact(self._database)
        with self._database.read() as connection:
            left = sum(row.edits for row in connection.execute(_OPEN_IN, {"sub": sub}))
        return Erased(campaigns=campaigns, edits=edits, left=left)

    def _begin(self, connection: Connection, sub: str, *, actor: str) -> None:
        """Forget the account and drop its key: from here on its images are unreadable."""
        self._database.lock(connection, "submit")  # no edit of it comes in while we look
        _refuse_open(connection, sub)
        gone = [
            connection.execute(text(sql), {"sub": sub}).rowcount
            for sql in (
                "DELETE FROM accounts WHERE sub = :sub",
                "DELETE FROM image_keys WHERE account = :sub",
            )
        ]
        if any(gone):
            self._note(connection, sub, Note(actor=actor, action=_BEGUN))

    def _end(
        self, connection: Connection, sub: str, *, actor: str, campaigns: int, edits: int
    ) -> None:
        """Say in the audit what was done, unless nothing was and nothing is unfinished."""
        sql = text("SELECT action FROM audit WHERE chain = :chain ORDER BY seq DESC LIMIT 1")
        last = connection.execute(sql, {"chain": f"account:{sub}"}).scalar_one_or_none()
        if edits or last == _BEGUN:
            detail = {"campaigns": campaigns, "edits": edits}
            self._note(connection, sub, Note(actor=actor, action=_DONE, detail=detail))

    def _note(self, connection: Connection, sub: str, note: Note) -> None:
        note_named(self._database, connection, notes=[note], chain=f"account:{sub}")

    def _campaigns(self) -> list[str]:
        with self._database.read() as connection:
            return list(connection.execute(text("SELECT id FROM campaigns ORDER BY id")).scalars())


def _refuse_open(connection: Connection, sub: str) -> None:
    found = connection.execute(_OPEN_IN, {"sub": sub}).all()
    if not found:
        return
    listed = ", ".join(f"{row.campaign_id} ({row.edits:,})" for row in found[:NAMED])
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    raise StillOpen(
        f"Account {sub} still has open edits in {listed}{more}",
        next_step=f"Wait for their end (`calpatch status {found[0].campaign_id} --watch`); after"
        f" `calpatch accounts forget {sub}` nothing more is sent, and they end by themselves",
    )
