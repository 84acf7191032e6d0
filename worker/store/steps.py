"""Writing what a worker learnt about its edits: one statement for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.errors import WrongTransition
from worker.model import FINAL
from worker.store.database import Database
from worker.store.rows import stored_image
from worker.store.values import CallRow, Claim, Step

_STEP = {
    "line_no": "integer",
    "was": "text",
    "state": "text",
    "code": "text",
    "attempts": "integer",
    "before": "text",
    "target": "text",
    "fields": "text",
    "http_status": "integer",
    "error_key": "text",
    "final": "boolean",
}
_CALL = {"route": "text", "status": "integer", "calls": "integer"}

# A chunk is of one campaign. To name that too would have PostgreSQL read all of its edits.
_MINE = "e.chunk_id = :chunk AND e.line_no = v.line_no"

#: What the column of an error key holds.
_LONGEST_KEY = 255


def write_steps(
    database: Database, connection: Connection, *, claim: Claim, steps: Sequence[Step]
) -> bool:
    """Move edits along; False when all of these steps have been written before.

    That happens when the answer to an earlier commit was lost on its way: the same worker then
    writes the same again. Raises WrongTransition when any edit is elsewhere.
    """
    if not steps:
        return True
    values = {
        "rows": msgspec.json.encode([_plain(step) for step in steps]).decode(),
        "chunk": claim.chunk_id,
    }
    written = connection.execute(text(_record_sql(database)), values).rowcount
    if written == len(steps):
        return True
    there = f"SELECT count(*) FROM {database.records(_STEP)} JOIN edits e ON {_MINE}"
    repeated = text(f"{there} AND e.state = v.state")
    in_place = sum(step.was is step.state for step in steps)
    if written == in_place and connection.execute(repeated, values).scalar_one() == len(steps):
        return False
    raise WrongTransition(
        f"Chunk {claim.chunk_id}: {len(steps) - written} edits were not where they should be"
    )


def write_calls(
    database: Database, connection: Connection, *, calls: Sequence[CallRow], campaign_id: str
) -> None:
    """Add to a campaign's count of API calls."""
    if not calls:
        return
    sql = (
        "INSERT INTO calls (campaign_id, route, status, calls)"
        f" SELECT :campaign, route, status, calls FROM {database.records(_CALL)}"
    )
    rows = msgspec.json.encode([row._asdict() for row in calls]).decode()
    connection.execute(text(sql), {"campaign": campaign_id, "rows": rows})


def _record_sql(database: Database) -> str:
    now = database.now_sql
    final = "v.final = 1" if database.is_sqlite else "v.final"
    return f"""
UPDATE edits AS e SET
  state = v.state,
  code = v.code,
  attempts = coalesce(v.attempts, e.attempts),
  before = coalesce(v.before, e.before),
  target = coalesce(v.target, e.target),
  fields = coalesce(v.fields, e.fields),
  http_status = coalesce(v.http_status, e.http_status),
  error_key = CASE WHEN v.error_key <> '' THEN v.error_key ELSE e.error_key END,
  sent_at = CASE WHEN v.state = 'sending' THEN {now} ELSE e.sent_at END,
  accepted_at = CASE WHEN v.state = 'accepted' THEN {now} ELSE e.accepted_at END,
  verified_at = CASE WHEN v.state = 'verified' THEN {now} ELSE e.verified_at END,
  finished_at = CASE WHEN {final} THEN {now} ELSE e.finished_at END
FROM {database.records(_STEP)}
WHERE {_MINE} AND e.state = v.was
"""


def _plain(step: Step) -> dict[str, Any]:
    return {
        "line_no": step.line_no,
        "was": step.was,
        "state": step.state,
        "code": step.code,
        "attempts": step.attempts,
        "before": stored_image(step.before),
        "target": stored_image(step.target),
        "fields": ",".join(step.fields) if step.fields is not None else None,
        "http_status": step.http_status,
        # The API's own text: PostgreSQL keeps no NUL.
        "error_key": step.error_key.replace("\0", "")[:_LONGEST_KEY],
        "final": step.state in FINAL,
    }
