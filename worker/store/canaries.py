"""Setting a campaign's canary apart: the few edits that go first, in chunks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.rules import Stratum, pick_canary
from worker.store.database import Database
from worker.store.tables import HELD_UNTIL
from worker.store.values import Campaign

#: lines that are read at a time: a campaign may have a million
_AT_A_TIME = 2_000

_CANDIDATES = text(
    "SELECT line_no, account, calendar_id, alike FROM edits"
    " WHERE campaign_id = :id AND state = 'pending'"
)
_COUNT = text("SELECT count(*) FROM chunks WHERE campaign_id = :id")


def set_apart(database: Database, connection: Connection, *, campaign: Campaign) -> None:
    """Move the canary's edits into chunks that are due now, and leave the rest held.

    Spread over zones and whole days, over accounts and calendars; the same ones whenever it is
    asked (`rules.pick_canary`).
    """
    strata = _strata(connection, campaign.id)
    picked = pick_canary(strata, campaign.run.canary, seed=campaign.id)
    number = int(connection.execute(_COUNT, {"id": campaign.id}).scalar_one())
    chosen = _chosen(database, connection, campaign.id, picked)
    for number_, (chunk_id, (lines, size)) in enumerate(chosen.items(), start=number + 1):
        if len(lines) == size:
            _let_go(connection, chunk_id)
        else:
            _split(database, connection, campaign.id, chunk_id, lines=lines, number=number_)


def _strata(connection: Connection, campaign_id: str) -> Iterator[Stratum]:
    streaming = {"yield_per": _AT_A_TIME}
    rows = connection.execute(_CANDIDATES, {"id": campaign_id}, execution_options=streaming)
    for row in rows:
        yield Stratum(row.line_no, row.alike, f"{row.account} {row.calendar_id}")


def _chosen(
    database: Database, connection: Connection, campaign_id: str, lines: Sequence[int]
) -> dict[str, tuple[list[int], int]]:
    """Return by chunk which lines were picked, and how many are open in it."""
    sql = text(
        "SELECT e.chunk_id, e.line_no, (SELECT count(*) FROM edits o"
        " WHERE o.chunk_id = e.chunk_id AND o.state = 'pending') AS size"
        f" FROM {database.records({'line_no': 'integer'})}"
        " JOIN edits e ON e.campaign_id = :id AND e.line_no = v.line_no ORDER BY e.line_no"
    )
    rows = msgspec.json.encode([{"line_no": each} for each in lines]).decode()
    found: dict[str, tuple[list[int], int]] = {}
    for row in connection.execute(sql, {"id": campaign_id, "rows": rows}):
        found.setdefault(row.chunk_id, ([], row.size))[0].append(row.line_no)
    return found


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
