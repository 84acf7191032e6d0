"""Storing a campaign with its edits and chunks, in one transaction that is as short as can be.

Lines come through a spool, in which everything is prepared: here they are moved, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from worker.model import CampaignState
from worker.store.chains import note_campaign
from worker.store.database import Database
from worker.store.filling import Progress, fill, spool_in
from worker.store.gates import first_state
from worker.store.held import find_held
from worker.store.placing import NewChunk, Places, place
from worker.store.settling import settle
from worker.store.spool import Spool
from worker.store.steps import write_calls
from worker.store.tables import campaigns
from worker.store.values import EditRow, NewCampaign, Note

#: Rows per INSERT: large enough that round trips vanish, small enough that memory stays flat.
BATCH = 2000

T = TypeVar("T")

_CHUNK = {"number": "integer", "account": "text", "size": "integer", "reads_all": "boolean"}


def prepared(rows: Iterable[EditRow] | Spool) -> Spool:
    """Return a spool of lines, those that name an event again marked; checked ones have been."""
    if isinstance(rows, Spool):
        rows.begin_storing()
        return rows
    spool = Spool()
    try:
        spool.add(rows)
        spool.mark(spool.twins())
    except BaseException:
        spool.close()
        raise
    return spool


def store_campaign(
    database: Database,
    connection: Connection,
    *,
    new: NewCampaign,
    spool: Spool,
    places: Places,
    campaign_id: str,
    image_key: bytes,
    chunk_size: int,
    progress: Progress | None,
    copies: bool,
) -> None:
    """Store everything about a new campaign within the caller's transaction.

    `places` holds unless others edit some of the events: then it is made again. The caller holds
    the lock on submissions: two at once would not see each other's events. `copies` as in `priors`.
    """
    total = spool.count
    _insert(
        database, connection, new=new, campaign_id=campaign_id, image_key=image_key, total=total
    )
    write_calls(database, connection, calls=new.calls, campaign_id=campaign_id)
    with spool_in(database, connection, spool) as cursor:
        if find_held(database, connection, cursor=cursor, count=total, copies=copies):
            places = place(spool.accounts, cursor, count=total, size=chunk_size)
        fill(
            database, connection, cursor=cursor, campaign_id=campaign_id, places=places,
            count=total, progress=progress,
        )  # fmt: skip
    _insert_chunks(database, connection, chunks=places, campaign_id=campaign_id)
    note = _submitted(new, edits=total, chunks=len(places))
    note_campaign(database, connection, notes=[note], campaign_id=campaign_id)
    _tell_skipped(database, connection, campaign_id=campaign_id, actor=new.owner)
    settle(database, connection, campaign_id=campaign_id)


def _submitted(new: NewCampaign, *, edits: int, chunks: int) -> Note:
    detail: dict[str, object] = {
        "key": new.key,
        "reason": new.reason,
        "content": new.digest,
        "edits": edits,
        "chunks": chunks,
    }
    if new.job:
        detail |= {"job": new.job, "for": str(new.job_date or "")}
    if new.run.max_changes is not None or new.run.cap_basis:
        detail |= {"max_changes": new.run.max_changes, "cap_basis": new.run.cap_basis}
    return Note(actor=new.owner, action="campaign.submitted", detail=detail)


def _insert(
    database: Database,
    connection: Connection,
    *,
    new: NewCampaign,
    campaign_id: str,
    image_key: bytes,
    total: int,
) -> None:
    state, why = CampaignState.PLANNING, ""
    if not new.is_planned:
        state, why = first_state(connection, new.run)
    connection.execute(
        campaigns.insert().values(
            id=campaign_id,
            key=new.key,
            digest=new.digest,
            kind=new.kind,
            state=state,
            state_reason=why,
            reason=new.reason,
            owner=new.owner,
            lane=new.lane,
            policy=msgspec.json.encode(new.policy).decode(),
            source=new.source,
            columns=msgspec.json.encode(new.columns).decode(),
            total=total,
            image_key=image_key,
            submitted_at=database.now(),
            run=msgspec.json.encode(new.run).decode(),
            parent=new.parent,
            job=new.job,
            job_date=new.job_date,
            spec=new.spec,
            notify=new.notify,
        )
    )


def _insert_chunks(
    database: Database, connection: Connection, *, chunks: Iterable[NewChunk], campaign_id: str
) -> None:
    sql = text(
        "INSERT INTO chunks (id, campaign_id, number, account, size, reads_all, state)"
        " SELECT CAST(:campaign AS text) || '.' || number, CAST(:campaign AS text), number,"
        f" account, size, reads_all, 'pending' FROM {database.records(_CHUNK)}"
    )
    for batch in _batches(chunks):
        rows = msgspec.json.encode([chunk._asdict() for chunk in batch]).decode()
        connection.execute(sql, {"campaign": campaign_id, "rows": rows})


def _tell_skipped(
    database: Database, connection: Connection, *, campaign_id: str, actor: str
) -> None:
    page = text(
        "SELECT line_no, state, code FROM edits WHERE campaign_id = :id AND line_no > :after"
        " AND state IN ('skipped', 'not_attempted') ORDER BY line_no LIMIT :batch"
    )
    after = -1
    while skipped := connection.execute(
        page, {"id": campaign_id, "after": after, "batch": BATCH}
    ).all():
        notes = [
            Note(actor=actor, action=f"edit.{row.state}", code=row.code, line_no=row.line_no)
            for row in skipped
        ]
        note_campaign(database, connection, notes=notes, campaign_id=campaign_id)
        after = skipped[-1].line_no


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
