"""What reports ask: counts, calls, outcomes. Derived from rows every time, never kept as counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, text

from worker.model import EditState
from worker.store.database import Database
from worker.store.rows import outcome_of
from worker.store.tables import campaigns, edits
from worker.store.values import CallRow, Outcome, Remaining

__all__ = ["Outcome", "Reading", "Remaining"]


class Reading:
    """Every statement of reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self, campaign_id: str) -> dict[tuple[EditState, str], int]:
        """Return how many edits are in each state, by code."""
        sql = (
            "SELECT state, code, count(*) AS n FROM edits WHERE campaign_id = :id"
            " GROUP BY state, code"
        )
        with self._database.read() as connection:
            rows = connection.execute(text(sql), {"id": campaign_id})
            return {(EditState(row.state), row.code): row.n for row in rows}

    def calls(self, campaign_id: str) -> list[CallRow]:
        """Return the API calls made for a campaign, by route and status."""
        sql = (
            "SELECT route, status, sum(calls) AS calls FROM calls WHERE campaign_id = :id"
            " GROUP BY route, status ORDER BY route, status"
        )
        with self._database.read() as connection:
            rows = connection.execute(text(sql), {"id": campaign_id})
            return [CallRow(row.route, row.status, int(row.calls)) for row in rows]

    def remaining(self, campaign_id: str) -> Remaining:
        """Return what is left to be sent and to be read back."""
        unsent = "state IN ('pending', 'sending')"
        sql = (
            f"SELECT coalesce(sum(CASE WHEN {unsent} THEN 1 ELSE 0 END), 0) AS pending,"
            f" count(DISTINCT CASE WHEN {unsent} THEN account END) AS accounts,"
            " count(DISTINCT CASE WHEN state = 'accepted' THEN account END) AS verifying"
            " FROM edits WHERE campaign_id = :id AND state IN ('pending', 'sending', 'accepted')"
        )
        with self._database.read() as connection:
            row = connection.execute(text(sql), {"id": campaign_id}).one()
        return Remaining(
            pending_edits=int(row.pending),
            pending_accounts=row.accounts,
            verifying_accounts=row.verifying,
        )

    def waiting(self, campaign_id: str) -> tuple[float | None, int]:
        """Return in how many seconds a chunk is due next, and how many chunks run.

        None when none waits; zero or less when one waits for a worker only.
        """
        age = self._database.age_sql("retry_at")
        sql = (
            "SELECT min(CASE WHEN state IN ('pending', 'verifying')"
            f" THEN coalesce(-{age}, 0.0) END) AS due,"
            " coalesce(sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0) AS running"
            " FROM chunks WHERE campaign_id = :id AND state <> 'done'"
        )
        with self._database.read() as connection:
            row = connection.execute(text(sql), {"id": campaign_id}).one()
        return row.due, int(row.running)

    def outcomes(self, campaign_id: str) -> Iterator[Outcome]:
        """Stream a campaign's edits in the order of their lines, as they are at this moment."""
        query = edits.select().where(edits.c.campaign_id == campaign_id)
        yield from self._outcomes(query.order_by(edits.c.line_no))

    def of_event(self, event_uid: str) -> list[Outcome]:
        """Return every edit of an event, over all campaigns, oldest campaign first."""
        query = edits.select().join(campaigns, campaigns.c.id == edits.c.campaign_id)
        order = (campaigns.c.submitted_at, edits.c.campaign_id, edits.c.line_no)
        return list(self._outcomes(query.where(edits.c.event_uid == event_uid).order_by(*order)))

    def _outcomes(self, query: Select[Any]) -> Iterator[Outcome]:
        with (
            self._database.read() as connection,
            # Closed as well, since a reader may stop half way.
            connection.execute(query, execution_options={"yield_per": 2000}) as rows,
        ):
            yield from map(outcome_of, rows)
