"""What reports ask: counts, calls, outcomes. Derived from rows every time, never kept as counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, func, select, text

from worker.errors import VaultError
from worker.model import Code, EditState
from worker.rules import MAX_BATCH
from worker.store.binding import bound_counts
from worker.store.chunks import COMPANY
from worker.store.database import Database
from worker.store.image_keys import ImageKeys
from worker.store.lookup import edits_of, is_one_of
from worker.store.rows import outcome_of
from worker.store.shown import SHOWN, ShownImages
from worker.store.tables import HELD_UNTIL, campaigns, edits
from worker.store.values import CallRow, Campaign, OpenWork, Outcome

__all__ = ["OpenWork", "Outcome", "Reading"]

#: With more open chunks than this, each is taken for an account of its own: to group a million of
#: them takes a second, and where there are so many, most accounts have but one.
MOST_GROUPED = 50_000

_OPEN = "FROM chunks WHERE campaign_id = :id AND state IN ('pending', 'running', 'verifying')"
#: of chunks that are open: they wait behind no gate
_FREE = f"(retry_at IS NULL OR retry_at < {HELD_UNTIL})"
_IS_HELD = f"state = 'pending' AND retry_at = {HELD_UNTIL}"
#: asked where something is held only: then the chunks of this are a canary's, and few
_AHEAD = f"""
SELECT count(*) FROM edits WHERE state = 'pending'
  AND chunk_id IN (SELECT id {_OPEN} AND {_FREE})
"""

#: Chunks that need the whole window share one read, as `Chunks.claim_company` has it.
_BY_ACCOUNT = f"""
SELECT edits, hinted + (whole + {COMPANY}) / {COMPANY + 1} AS windows, running, proving,
  count(*) AS accounts
FROM (
  SELECT sum(CASE state WHEN 'pending' THEN size ELSE 0 END) AS edits,
    sum(CASE WHEN state = 'pending' AND NOT reads_all THEN 1 ELSE 0 END) AS hinted,
    sum(CASE WHEN state = 'pending' AND reads_all THEN 1 ELSE 0 END) AS whole,
    sum(CASE state WHEN 'running' THEN 1 ELSE 0 END) AS running,
    sum(CASE state WHEN 'verifying' THEN size ELSE 0 END) AS proving
  {{open}} GROUP BY account) AS held
GROUP BY edits, hinted, whole, running, proving
"""
#: Small chunks, a batch and a page each, are summed up as the index has them: SQLite sorts what it
#: groups otherwise, which takes half a second for a million.
_BY_CHUNK = f"""
SELECT state, 0 AS size, count(*) AS chunks, sum(size) AS edits {{open}} AND size <= {MAX_BATCH}
GROUP BY state
UNION ALL
SELECT state, size, count(*) AS chunks, sum(size) AS edits {{open}} AND size > {MAX_BATCH}
GROUP BY state, size
"""


class Reading:
    """Every statement of reports."""

    def __init__(self, database: Database, keys: ImageKeys) -> None:
        self._database = database
        self._keys = keys
        self._unopened: VaultError | None = None

    @property
    def unopened(self) -> VaultError | None:
        """Why images are missing from what was read last, and what to do; None: none are."""
        return self._unopened

    def counts(self, campaign_id: str) -> dict[tuple[EditState, str], int]:
        """Return how many edits are in each state, by code.

        Of a campaign whose lines were pruned, by states alone, as the audit has them.
        """
        sql = (
            "SELECT state, code, count(*) AS n FROM edits WHERE campaign_id = :id"
            " GROUP BY state, code"
        )
        with self._database.read() as connection:
            rows = connection.execute(text(sql), {"id": campaign_id})
            found = {(EditState(row.state), row.code): row.n for row in rows}
            return found or _pruned_counts(connection, campaign_id)

    def ended_by_plan(self, campaign: Campaign) -> dict[tuple[EditState, str], int]:
        """Return how many edits the plan itself has ended, by state and code, before any write."""
        if campaign.planned_at is None:
            return {}
        query = (
            select(edits.c.state, edits.c.code, func.count().label("n"))
            .where(edits.c.campaign_id == campaign.id, edits.c.finished_at <= campaign.planned_at)
            .group_by(edits.c.state, edits.c.code)
        )
        with self._database.read() as connection:
            rows = connection.execute(query)
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

    def data_centers(self, campaign_id: str) -> set[str]:
        """Return where the accounts are whose chunks are not done."""
        sql = (
            f"SELECT DISTINCT a.data_center FROM accounts a WHERE a.sub IN (SELECT account {_OPEN})"
        )
        with self._database.read() as connection:
            return set(connection.execute(text(sql), {"id": campaign_id}).scalars())

    def held(self, campaign_id: str) -> int:
        """Return how many edits wait behind a gate: for an approval, or for a canary."""
        gate = f"SELECT 1 FROM chunks WHERE campaign_id = :id AND {_IS_HELD} LIMIT 1"
        waiting = "SELECT count(*) FROM edits WHERE campaign_id = :id AND state = 'pending'"
        with self._database.read() as connection:
            if connection.execute(text(gate), {"id": campaign_id}).first() is None:
                return 0
            ahead = connection.execute(text(_AHEAD), {"id": campaign_id}).scalar_one()
            return int(connection.execute(text(waiting), {"id": campaign_id}).scalar_one() - ahead)

    def unplanned(self, campaign_id: str) -> int:
        """Return how many edits of a plan are in chunks that nobody has gone through yet."""
        sql = f"SELECT coalesce(sum(size), 0) {_OPEN} AND {_FREE}"
        with self._database.read() as connection:
            return int(connection.execute(text(sql), {"id": campaign_id}).scalar_one())

    def open_work(self, campaign_id: str, *, of_held: bool = True) -> list[OpenWork]:
        """Return what the chunks that are not done hold, accounts with the same amount together.

        A chunk that waits for another try counts with all of its edits. Without `of_held` those
        behind a gate are left out: of a plan, what has been planned already.
        """
        here = _OPEN if of_held else f"{_OPEN} AND {_FREE}"
        few = text(f"SELECT count(*) FROM (SELECT 1 {here} LIMIT {MOST_GROUPED + 1}) AS counted")
        with self._database.read() as connection:
            count = connection.execute(few, {"id": campaign_id}).scalar_one()
            if count <= MOST_GROUPED:
                rows = connection.execute(text(_BY_ACCOUNT.format(open=here)), {"id": campaign_id})
                return [OpenWork(*(int(value) for value in row)) for row in rows]
            rows = connection.execute(text(_BY_CHUNK.format(open=here)), {"id": campaign_id})
            return [work for row in rows for work in _work_of(row)]

    def pending_loads(self, campaign_id: str) -> list[tuple[int, int]]:
        """Return pairs: so many edits that have not been sent, and how many accounts have so many.

        Counted by the database: a large tenant has more accounts than fit into a report's memory.
        """
        each = (
            "SELECT count(*) AS edits FROM edits WHERE campaign_id = :id AND state = 'pending'"
            " GROUP BY account"
        )
        sql = text(f"SELECT edits, count(*) AS accounts FROM ({each}) AS counted GROUP BY edits")
        with self._database.read() as connection:
            rows = connection.execute(sql, {"id": campaign_id})
            return sorted((int(row.edits), int(row.accounts)) for row in rows)

    def waiting(self, campaign_id: str) -> tuple[float | None, int]:
        """Return in how many seconds a chunk is due next, and how many chunks run.

        None when none waits; zero or less when one waits for a worker only. Asked state by state,
        so that an index tells each at once.
        """
        here = "FROM chunks WHERE campaign_id = :id AND state ="
        sql = text(
            f"SELECT (SELECT 1 {here} 'pending' AND retry_at IS NULL"
            " ORDER BY retry_at, account LIMIT 1) AS fresh,"
            f" {self._due_in(here, 'pending')} AS pending,"
            f" {self._due_in(here, 'verifying')} AS verifying,"
            f" (SELECT count(*) {here} 'running') AS running"
        )
        with self._database.read() as connection:
            row = connection.execute(sql, {"id": campaign_id}).one()
        fresh = None if row.fresh is None else 0.0
        due = [each for each in (fresh, row.pending, row.verifying) if each is not None]
        return min(due, default=None), row.running

    def _due_in(self, here: str, state: str) -> str:
        oldest = f"SELECT min(retry_at) AS at {here} '{state}' AND retry_at < {HELD_UNTIL}"
        return f"(SELECT -{self._database.age_sql('oldest.at')} FROM ({oldest}) AS oldest)"

    def outcomes(self, campaign_id: str) -> Iterator[Outcome]:
        """Stream a campaign's edits in the order of their lines, as they are at this moment.

        Images that do not open are missing; `unopened` tells why afterwards.
        """
        query = select(*SHOWN).where(edits.c.campaign_id == campaign_id)
        yield from self._outcomes(query.order_by(edits.c.line_no))

    def of_event(self, event_uid: str) -> list[Outcome]:
        """Return every edit of an event, over all campaigns, oldest campaign first."""
        found = edits_of(self._database, event_uid)
        # Not a join: SQLite would begin with the campaigns, and go through all their edits.
        submitted = select(campaigns.c.submitted_at).where(campaigns.c.id == edits.c.campaign_id)
        order = (submitted.scalar_subquery(), edits.c.campaign_id, edits.c.line_no)
        query = select(*SHOWN).join(found, is_one_of(found))
        return list(self._outcomes(query.order_by(*order)))

    def _outcomes(self, query: Select[Any]) -> Iterator[Outcome]:
        images = ShownImages(self._keys)
        with (
            self._database.read() as connection,
            # Closed as well, since a reader may stop half way.
            connection.execute(query, execution_options={"yield_per": 2000}) as rows,
        ):
            for row in rows:
                before, target, seen = images.of(row)
                yield outcome_of(row, before=before, target=target, seen=seen)
        self._unopened = images.trouble


def _pruned_counts(connection: Connection, campaign_id: str) -> dict[tuple[EditState, str], int]:
    known = text("SELECT state FROM campaigns WHERE id = :id AND pruned_at IS NOT NULL")
    state = connection.execute(known, {"id": campaign_id}).scalar_one_or_none()
    if state is None:
        return {}
    # A campaign is completed with edits that are not proven only if it asked for no proof.
    unasked = {EditState.UNVERIFIED: str(Code.NO_PROOF_ASKED)} if state == "completed" else {}
    counts = {EditState(name): n for name, n in bound_counts(connection, campaign_id).items()}
    return {(each, unasked.get(each, "")): n for each, n in counts.items()}


def _work_of(row: Any) -> Iterator[OpenWork]:
    """Yield what so many chunks of one state hold, sizes as even as they can be."""
    least, more = divmod(int(row.edits), row.chunks)
    for size, chunks in ((least, row.chunks - more), (least + 1, more)):
        if chunks:
            yield OpenWork(
                edits=size if row.state == "pending" else 0,
                windows=int(row.state == "pending"),
                running=int(row.state == "running"),
                proving=size if row.state == "verifying" else 0,
                accounts=chunks,
            )
