"""Setting a campaign's canary apart: the few edits that go first, in chunks of their own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.rules import Stratum, pick_canary
from worker.store.database import Database
from worker.store.tables import HELD_UNTIL
from worker.store.values import Campaign

_CANDIDATES = """
SELECT line_no, account, calendar_id, chunk_id FROM edits
WHERE campaign_id = :id AND state = 'pending' ORDER BY line_no
"""


def set_apart(database: Database, connection: Connection, *, campaign: Campaign) -> None:
    """Move the canary's edits into chunks that are due now, and leave the rest held.

    Spread over accounts and calendars, the same ones whenever it is asked (`rules.pick_canary`).
    """
    rows = connection.execute(text(_CANDIDATES), {"id": campaign.id}).all()
    strata = [Stratum(row.line_no, f"{row.account} {row.calendar_id}") for row in rows]
    picked = set(pick_canary(strata, campaign.run.canary, seed=campaign.id))
    by_chunk: dict[str, list[int]] = {}
    for row in rows:
        if row.line_no in picked:
            by_chunk.setdefault(row.chunk_id, []).append(row.line_no)
    sizes = Counter(row.chunk_id for row in rows)
    count = text("SELECT count(*) FROM chunks WHERE campaign_id = :id")
    number = int(connection.execute(count, {"id": campaign.id}).scalar_one())
    for number_, (chunk_id, lines) in enumerate(by_chunk.items(), start=number + 1):
        if len(lines) == sizes[chunk_id]:
            _let_go(connection, chunk_id)
        else:
            _split(database, connection, campaign.id, chunk_id, lines=lines, number=number_)


def _let_go(connection: Connection, chunk_id: str) -> None:
    """Take a chunk whose open edits are all of the canary as it is."""
    connection.execute(text("UPDATE chunks SET retry_at = NULL WHERE id = :id"), {"id": chunk_id})


def _split(
    database: Database,
    connection: Connection,
    campaign_id: str,
    chunk_id: str,
    *,
    lines: list[int],
    number: int,
) -> None:
    new: dict[str, Any] = {
        "new": f"{campaign_id}.{number}",
        "number": number,
        "old": chunk_id,
        "size": len(lines),
    }
    connection.execute(
        text(
            "INSERT INTO chunks (id, campaign_id, number, account, size, reads_all, state)"
            " SELECT :new, campaign_id, CAST(:number AS integer), account,"
            " CAST(:size AS integer), reads_all, 'pending' FROM chunks WHERE id = :old"
        ),
        new,
    )
    listed = f"(SELECT v.line_no FROM {database.records({'line_no': 'integer'})})"
    rows = msgspec.json.encode([{"line_no": each} for each in lines]).decode()
    connection.execute(
        text(f"UPDATE edits SET chunk_id = :new WHERE campaign_id = :id AND line_no IN {listed}"),
        {"id": campaign_id, "new": new["new"], "rows": rows},
    )
    connection.execute(
        text(
            "UPDATE chunks SET size = size - CAST(:size AS integer)"
            f" WHERE id = :old AND retry_at = {HELD_UNTIL}"
        ),
        {"old": chunk_id, "size": len(lines)},
    )
