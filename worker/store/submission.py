"""Storing a campaign with its edits and chunks: a few statements for each batch of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from worker.model import CampaignState
from worker.store.chains import note_campaign
from worker.store.database import Database
from worker.store.settling import settle
from worker.store.tables import campaigns
from worker.store.values import EditRow, NewCampaign, Note

#: Rows per INSERT: large enough that round trips vanish, small enough that memory stays flat.
BATCH = 2000

T = TypeVar("T")

_ROW = {
    "line_no": "integer",
    "account": "text",
    "calendar_id": "text",
    "event_uid": "text",
    "hint": "text",
    "ref": "text",
    "patch": "text",
    "cells": "text",
    "change_digest": "text",
    "relative": "boolean",
    "duplicate": "boolean",
}

# Looked up by event: the active edit, of this or of another campaign, and where an equal earlier
# shift has put the event. That one counts whatever it ended as, once it was sent: a write that
# failed in doubt may have moved the event all the same (law 3).
_INSERT = """
INSERT INTO edits (campaign_id, line_no, account, calendar_id, event_uid, hint, ref, patch, cells,
                   change_digest, prior_target, state, code, finished_at)
SELECT CAST(:campaign AS text), line_no, account, calendar_id, event_uid, {hint}, ref, patch, cells,
       change_digest, prior_target,
       CASE WHEN duplicate OR holder IS NOT NULL THEN 'skipped' ELSE 'pending' END,
       CASE WHEN duplicate OR holder = CAST(:campaign AS text) THEN 'duplicate_in_file'
            WHEN holder IS NOT NULL THEN 'already_in_campaign' ELSE '' END,
       CASE WHEN duplicate OR holder IS NOT NULL THEN {now} END
FROM (
  SELECT v.*,
         (SELECT e.campaign_id FROM edits e
          WHERE e.account = v.account AND e.calendar_id = v.calendar_id
          AND e.event_uid = v.event_uid
          AND e.state IN ('pending', 'sending', 'accepted')) AS holder,
         CASE WHEN relative THEN (
           SELECT e.target FROM edits e
           WHERE e.event_uid = v.event_uid AND e.account = v.account
           AND e.calendar_id = v.calendar_id AND e.change_digest = v.change_digest
           AND e.sent_at IS NOT NULL AND e.target IS NOT NULL
           ORDER BY e.sent_at DESC LIMIT 1) END AS prior_target
  FROM {rows}) AS r
"""

# Edits of one account in the order of their dates, `size` to a chunk, so that one read serves
# many; accounts take turns in the numbering, so that none waits for another to finish.
_PLACE_EDITS = """
UPDATE edits SET chunk_id = :campaign || '.' || numbered.n
FROM (SELECT line_no, dense_rank() OVER (ORDER BY part, account) AS n
      FROM (SELECT line_no, account, (row_number() OVER (PARTITION BY account
              ORDER BY CASE WHEN hint IS NULL THEN 1 ELSE 0 END, hint, calendar_id, line_no) - 1)
              / :size AS part
            FROM edits WHERE campaign_id = :campaign AND state = 'pending') AS ranked) AS numbered
WHERE edits.campaign_id = :campaign AND edits.line_no = numbered.line_no
"""
_INSERT_CHUNKS = """
INSERT INTO chunks (id, campaign_id, number, account, size, reads_all, state)
SELECT chunk_id, campaign_id, CAST(substr(chunk_id, length(campaign_id) + 2) AS integer), account,
       count(*), count(hint) < count(*), 'pending' FROM edits
WHERE campaign_id = :campaign AND chunk_id IS NOT NULL GROUP BY chunk_id, campaign_id, account
"""


def store_campaign(
    database: Database,
    connection: Connection,
    *,
    new: NewCampaign,
    rows: Iterable[EditRow],
    campaign_id: str,
    image_key: bytes,
    chunk_size: int,
) -> None:
    """Store everything about a new campaign within the caller's transaction; streams `rows`.

    The caller holds the lock on submissions: two at once would not see each other's events.
    """
    _insert(database, connection, new=new, campaign_id=campaign_id, image_key=image_key)
    total = _insert_edits(database, connection, rows=rows, campaign_id=campaign_id)
    connection.execute(text(_PLACE_EDITS), {"campaign": campaign_id, "size": chunk_size})
    made = connection.execute(text(_INSERT_CHUNKS), {"campaign": campaign_id}).rowcount
    detail = {
        "key": new.key,
        "reason": new.reason,
        "content": new.digest,
        "edits": total,
        "chunks": made,
    }
    note = Note(actor=new.owner, action="campaign.submitted", detail=detail)
    note_campaign(database, connection, notes=[note], campaign_id=campaign_id)
    _tell_skipped(database, connection, campaign_id=campaign_id, actor=new.owner)
    settle(database, connection, campaign_id=campaign_id)


def _insert(
    database: Database,
    connection: Connection,
    *,
    new: NewCampaign,
    campaign_id: str,
    image_key: bytes,
) -> None:
    connection.execute(
        campaigns.insert().values(
            id=campaign_id,
            key=new.key,
            digest=new.digest,
            kind=new.kind,
            state=CampaignState.RUNNING,
            reason=new.reason,
            owner=new.owner,
            lane=new.lane,
            policy=msgspec.json.encode(new.policy).decode(),
            source=new.source,
            columns=msgspec.json.encode(new.columns).decode(),
            total=0,
            image_key=image_key,
            submitted_at=database.now(),
        )
    )


def _insert_edits(
    database: Database, connection: Connection, *, rows: Iterable[EditRow], campaign_id: str
) -> int:
    hint = "r.hint" if database.is_sqlite else "CAST(r.hint AS date)"
    sql = text(_INSERT.format(hint=hint, now=database.now_sql, rows=database.records(_ROW)))
    total = 0
    for batch in _batches(rows):
        payload = msgspec.json.encode(list(_without_twins(batch))).decode()
        connection.execute(sql, {"campaign": campaign_id, "rows": payload})
        total += len(batch)
    connection.execute(
        text("UPDATE campaigns SET total = :total WHERE id = :id"),
        {"total": total, "id": campaign_id},
    )
    return total


def _without_twins(batch: list[EditRow]) -> Iterator[dict[str, object]]:
    """Call a second edit of one event a duplicate: within a batch SQL does not see the first."""
    seen = set[tuple[str, str, str]]()
    for row in batch:
        event = (row.account, row.calendar_id, row.event_uid)
        twin = row.duplicate or event in seen
        if not twin:
            seen.add(event)
        yield row._asdict() | {"duplicate": twin}


def _tell_skipped(
    database: Database, connection: Connection, *, campaign_id: str, actor: str
) -> None:
    page = text(
        "SELECT line_no, code FROM edits WHERE campaign_id = :id AND state = 'skipped'"
        " AND line_no > :after ORDER BY line_no LIMIT :batch"
    )
    after = -1
    while skipped := connection.execute(
        page, {"id": campaign_id, "after": after, "batch": BATCH}
    ).all():
        notes = [
            Note(actor=actor, action="edit.skipped", code=row.code, line_no=row.line_no)
            for row in skipped
        ]
        note_campaign(database, connection, notes=notes, campaign_id=campaign_id)
        after = skipped[-1].line_no


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
