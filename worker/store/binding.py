"""What binds a campaign's chains into one: a digest over its chunks' heads, in its own chain."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, text


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
