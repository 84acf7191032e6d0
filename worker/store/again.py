"""The lines of a campaign once more: those to be tried again, and those to be taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Select, select

from worker.model import EditState, Patch
from worker.rules import is_relative
from worker.store.database import Database
from worker.store.tables import edits
from worker.store.values import EditRow

_patch = msgspec.json.Decoder(Patch)
_encode = msgspec.json.Encoder().encode

_COLUMNS = (
    edits.c.line_no, edits.c.account, edits.c.calendar_id, edits.c.event_uid, edits.c.hint,
    edits.c.ref, edits.c.patch, edits.c.cells, edits.c.change_digest,
)  # fmt: skip


class Again:
    """Streams of a campaign's lines as a new campaign stores them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def retried(
        self,
        campaign_id: str,
        *,
        states: Collection[EditState],
        codes: Collection[str] = (),
        lines: Collection[int] | None = None,
    ) -> Iterator[EditRow]:
        """Give the edits that ended so, asking the same again.

        One that may have moved its event is not moved twice by it: where it would have put the
        event is known from the first one (`priors`). What a person's erasing has blanked asks for
        nothing any more, and is left out.
        """
        query = select(*_COLUMNS).where(
            edits.c.campaign_id == campaign_id,
            edits.c.state.in_([str(state) for state in states]),
            edits.c.patch != "{}",
        )
        if codes:
            query = query.where(edits.c.code.in_(list(codes)))
        for row in self._stream(query.order_by(edits.c.line_no)):
            if lines is None or row[0] in lines:
                yield _row(row, relative=is_relative(_patch.decode(row[6])))

    def undone(
        self, campaign_id: str, *, lines: Collection[int] | None = None
    ) -> Iterator[EditRow]:
        """Give the edits that may have changed something, each to be taken back."""
        query = select(*_COLUMNS).where(
            edits.c.campaign_id == campaign_id, edits.c.sent_at.is_not(None)
        )
        for row in self._stream(query.order_by(edits.c.line_no)):
            if lines is None or row[0] in lines:
                name = f"{campaign_id}:{row[0]}"
                digest = sha256(f"undo\0{name}".encode()).hexdigest()[:32]
                yield _row(row, relative=False)._replace(
                    patch=_encode(Patch(undo=name)).decode(), change_digest=digest
                )

    def _stream(self, query: Select[Any]) -> Iterator[Any]:
        with (
            self._database.read() as connection,
            # Closed as well, since a reader may stop half way.
            connection.execute(query, execution_options={"yield_per": 2000}) as rows,
        ):
            yield from rows


def _row(row: Sequence[Any], *, relative: bool) -> EditRow:
    line_no, account, calendar_id, event_uid, hint, ref, patch, cells, change_digest = row
    return EditRow(
        line_no=line_no,
        account=account,
        calendar_id=calendar_id,
        event_uid=event_uid,
        hint=hint.isoformat() if hint else None,
        ref=ref,
        patch=patch,
        cells=cells,
        change_digest=change_digest,
        relative=relative,
        duplicate=False,
    )
