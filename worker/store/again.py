"""The lines of a campaign once more: those to be tried again, and those to be taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import Row, Select, or_, select

from worker.model import Code, EditState, Elsewhere, Patch
from worker.rules import is_relative
from worker.store.database import Database
from worker.store.tables import edits
from worker.store.values import EditRow

_patch = msgspec.json.Decoder(Patch)
_encode = msgspec.json.Encoder().encode

_COLUMNS = (
    edits.c.line_no, edits.c.account, edits.c.calendar_id, edits.c.event_uid, edits.c.hint,
    edits.c.ref, edits.c.patch, edits.c.cells, edits.c.change_digest, edits.c.state,
    edits.c.target.is_not(None).label("has_target"),
)  # fmt: skip


class Named(NamedTuple):
    """What names a line; `was_sent` tells that a write of it has left."""

    line_no: int
    account: str
    calendar_id: str
    event_uid: str
    was_sent: bool


class Again:
    """Streams of a campaign's lines as a new campaign stores them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self, campaign_id: str) -> Iterator[Named]:
        """Give what names each line, in their order."""
        sent = edits.c.sent_at.is_not(None)
        named = (edits.c.line_no, edits.c.account, edits.c.calendar_id, edits.c.event_uid)
        query = select(*named, sent).where(edits.c.campaign_id == campaign_id)
        yield from (Named._make(row) for row in self._stream(query))

    def retried(
        self, campaign_id: str, *, states: Collection[EditState], codes: Collection[str] = ()
    ) -> Iterator[EditRow]:
        """Give the edits that ended so, asking the same again.

        Where the first try knew its target, that is the target once more, so that nothing is moved
        twice; one in conflict is decided anew. Left out are lines that repeat another one of their
        file, and what a person's erasing has blanked, which asks for nothing any more. `codes` are
        those of outcomes, or HTTP statuses; () takes all.
        """
        query = select(*_COLUMNS).where(
            edits.c.campaign_id == campaign_id,
            edits.c.state.in_([str(state) for state in states]),
            edits.c.code != str(Code.DUPLICATE_IN_FILE),
            edits.c.patch != "{}",
        )
        if codes:
            status = [int(code) for code in codes if code.isdecimal()]
            query = query.where(or_(edits.c.code.in_(list(codes)), edits.c.http_status.in_(status)))
        for row in self._stream(query):
            asked = _again(campaign_id, row)
            yield _row(row, asked, change_digest=row.change_digest)

    def undone(
        self, campaign_id: str, *, lines: Collection[int] | None = None
    ) -> Iterator[EditRow]:
        """Give the edits of which a write has left, whatever they ended as, each to be taken back.

        Which of them took at all, a read of their events tells.
        """
        query = select(*_COLUMNS).where(
            edits.c.campaign_id == campaign_id, edits.c.sent_at.is_not(None)
        )
        for row in self._stream(query):
            if lines is None or row.line_no in lines:
                name = f"{campaign_id}:{row.line_no}"
                digest = sha256(f"undo\0{name}".encode()).hexdigest()[:32]
                yield _row(row, Patch(undo=name, move=Elsewhere()), change_digest=digest)

    def _stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        ordered = query.order_by(edits.c.line_no)
        with (
            self._database.read() as connection,
            # Closed as well, since a reader may stop half way.
            connection.execute(ordered, execution_options={"yield_per": 2000}) as rows,
        ):
            yield from rows


def _again(campaign_id: str, row: Row[Any]) -> Patch:
    """Return what a row asks when it is tried again."""
    asked = _patch.decode(row.patch)
    # An undo is one however often it is tried: it goes by the edit that it takes back.
    if asked.undo:
        return asked
    if row.state == EditState.CONFLICT:
        return replace(asked, again="")
    # One that had no turn as a retry is still the retry that it was.
    return replace(asked, again=f"{campaign_id}:{row.line_no}") if row.has_target else asked


def _row(row: Row[Any], asked: Patch, *, change_digest: str) -> EditRow:
    return EditRow(
        line_no=row.line_no,
        account=row.account,
        calendar_id=row.calendar_id,
        event_uid=row.event_uid,
        hint=row.hint.isoformat() if row.hint else None,
        ref=row.ref,
        patch=_encode(asked).decode(),
        cells=row.cells,
        change_digest=change_digest,
        relative=is_relative(asked),
        duplicate=False,
    )
