"""How a campaign's state follows its chunks, and how it ends."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.model import ABORT_REASONS, CampaignState, EditState
from worker.rules import final_campaign_state
from worker.store.chains import note_campaign
from worker.store.database import Database
from worker.store.values import Note

_S = CampaignState


def left_over(chunk: str) -> str:
    """Return SQL for what is left of a chunk: 2 to be sent, 1 to be read back, 0 or null nothing.

    It names no state to search by, so that a database without statistics takes the index on
    chunks and no other (64 x faster after 100,000 new lines in PostgreSQL).
    """
    return f"""(SELECT max(CASE WHEN e.state IN ('pending', 'sending') THEN 2
  WHEN e.state = 'accepted' THEN 1 ELSE 0 END) FROM edits e WHERE e.chunk_id = {chunk})"""


def _any(state: str, more: str = "") -> str:
    """Return SQL that tells whether a campaign `c` has a chunk in this state.

    By the index's first row: asked whether any exists, PostgreSQL goes through the table in its
    own order, where at the end of a campaign all that comes first is done.
    """
    return (
        f"(SELECT k.id FROM chunks k WHERE k.campaign_id = c.id AND k.state = '{state}'{more}"
        " ORDER BY k.retry_at LIMIT 1) IS NOT NULL"
    )


# An expression, for the reason above; the first edit that is still to be sent is enough.
_UNSENT = """ AND (SELECT 1 FROM edits e WHERE e.chunk_id = k.id
  AND CASE WHEN e.state IN ('pending', 'sending') THEN 1 ELSE 0 END = 1 LIMIT 1) IS NOT NULL"""

# Busy: something is still to be sent. A chunk that is leased to be read back only is not.
_LOOK = f"""
SELECT c.id, c.state, c.state_reason,
  {_any("pending")} OR {_any("running")} OR {_any("verifying")} AS open,
  {_any("pending")} OR {_any("running", _UNSENT)} AS busy
FROM campaigns c WHERE
"""


def settle(database: Database, connection: Connection, *, campaign_id: str) -> bool:
    """Let a campaign's state follow its chunks; True when it ended now.

    Two workers that end the last two chunks at once may each not see the other's: the sweeper asks
    again.
    """
    row = connection.execute(text(f"{_LOOK} c.id = :id"), {"id": campaign_id}).one()
    was = CampaignState(row.state)
    state = next_state(was, is_open=row.open, is_busy=row.busy, why=row.state_reason)
    if state is was:
        return False
    if state is None or not row.open:
        return _end(database, connection, campaign_id=campaign_id, was=was, state=state)
    _set_state(connection, campaign_id, was=was, state=state)
    return False


def unsettled(connection: Connection) -> list[str]:
    """Return the campaigns whose state does not follow their chunks yet."""
    rows = connection.execute(text(f"{_LOOK} c.state IN ('running', 'verifying', 'cancelling')"))
    return [
        row.id
        for row in rows
        if next_state(
            CampaignState(row.state), is_open=row.open, is_busy=row.busy, why=row.state_reason
        )
        is not CampaignState(row.state)
    ]


def next_state(
    was: CampaignState, *, is_open: bool, is_busy: bool, why: str
) -> CampaignState | None:
    """Return the state that the chunks ask for; None: whatever the edits' outcomes say."""
    if was in {_S.RUNNING, _S.VERIFYING}:
        if not is_open:
            return None
        return _S.RUNNING if is_busy else _S.VERIFYING
    if was is _S.CANCELLING and not is_open:
        return _S.FAILED if why in ABORT_REASONS else _S.CANCELLED
    return was


def digest_of_heads(connection: Connection, campaign_id: str) -> str:
    """Bind all chunks' chains into the campaign's: one digest over their heads (DESIGN §5)."""
    whole = hashlib.sha256()
    # By length first: the same order whatever the database's collation.
    sql = "SELECT id, audit_head FROM chunks WHERE campaign_id = :id ORDER BY length(id), id"
    streamed = {"yield_per": 2000}  # a million heads need no more memory than a thousand (law 11)
    with connection.execute(text(sql), {"id": campaign_id}, execution_options=streamed) as heads:
        for row in heads:
            whole.update(f"{row.id}={row.audit_head}\n".encode())
    return whole.hexdigest()


def bound_heads(connection: Connection, campaign_id: str) -> str:
    """Return the digest over its chunks' heads that a campaign ended with; "" while it runs."""
    return str(_bound(connection, campaign_id).get("chunk_heads", ""))


def bound_counts(connection: Connection, campaign_id: str) -> dict[str, int]:
    """Return how many edits of each state a campaign ended with; {} while it runs."""
    return dict(_bound(connection, campaign_id).get("counts", {}))


def _bound(connection: Connection, campaign_id: str) -> dict[str, Any]:
    sql = f"SELECT detail FROM audit WHERE chain = :id AND seq = {binding_seq(':id')}"
    detail = connection.execute(text(sql), {"id": campaign_id}).scalar_one_or_none()
    return dict(msgspec.json.decode(detail)) if detail else {}


def binding_seq(campaign: str) -> str:
    """Return SQL for the number of the entry in which a campaign has bound its chunks' heads."""
    return (
        f"(SELECT max(x.seq) FROM audit x WHERE x.chain = {campaign} AND x.line_no IS NULL"
        """ AND x.detail LIKE '%"chunk_heads":%')"""
    )


def _end(
    database: Database,
    connection: Connection,
    *,
    campaign_id: str,
    was: CampaignState,
    state: CampaignState | None,
) -> bool:
    counted = connection.execute(
        text(
            "SELECT state, count(*) AS n, sum(CASE WHEN code = 'no_proof_asked' THEN 1 ELSE 0 END)"
            " AS unasked FROM edits WHERE campaign_id = :id GROUP BY state"
        ),
        {"id": campaign_id},
    ).all()
    counts = {EditState(row.state): row.n for row in counted}
    unasked = sum(int(row.unasked) for row in counted)
    state = state or final_campaign_state(counts, no_proof_asked=unasked)
    finished = f", finished_at = {database.now_sql}"
    if not _set_state(connection, campaign_id, was=was, state=state, extra=finished):
        return False
    detail = {
        "counts": {str(key): counts[key] for key in sorted(counts)},
        "chunk_heads": digest_of_heads(connection, campaign_id),
    }
    note = Note(actor="calpatch", action=f"campaign.{state}", detail=detail)
    note_campaign(database, connection, notes=[note], campaign_id=campaign_id)
    return True


def _set_state(
    connection: Connection,
    campaign_id: str,
    *,
    was: CampaignState,
    state: CampaignState,
    extra: str = "",
) -> bool:
    sql = f"UPDATE campaigns SET state = :state{extra} WHERE id = :id AND state = :was"
    values = {"id": campaign_id, "state": str(state), "was": str(was)}
    return connection.execute(text(sql), values).rowcount == 1
