"""Which chunks should have a message now, and which lost their worker: for relay and sweeper.

Only a bounded window of messages is out at a time; the rest waits in SQL, which decides the order.
Everything here may run in several processes at once, and twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, text

from worker.store.chunks import MAX_RESCUES
from worker.store.database import Database
from worker.store.poison import take_apart_poison


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Work to announce, most urgent first: chunks with their lane, and accounts to read back."""

    chunks: tuple[tuple[str, str], ...]  # (lane, chunk id)
    accounts: tuple[str, ...]


class Queue:
    """The statements of relay and sweeper."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_due(self, *, window: int, resend_after_s: float) -> Due:
        """Mark what is due as dispatched and return it; publish it after this has committed.

        At most `window` chunks, and as many accounts, are out at a time. What was dispatched and
        not picked up within `resend_after_s` is due again.
        """

        def work(connection: Connection) -> Due:
            self._database.lock(connection, "relay")  # two at once would overfill the window
            return Due(
                chunks=self._due_chunks(connection, window=window, resend_after_s=resend_after_s),
                accounts=self._due_accounts(
                    connection, window=window, resend_after_s=resend_after_s
                ),
            )

        return self._database.run(work)

    def forget_dispatch(self, due: Due) -> None:
        """Take back what could not be published, so that the next relay tries again at once."""

        def work(connection: Connection) -> None:
            chunks = "state IN ('pending', 'running') AND id IN"
            self._mark(connection, [name for _, name in due.chunks], which=chunks, at="NULL")
            accounts = "state = 'verifying' AND account IN"
            self._mark(connection, due.accounts, which=accounts, at="NULL")

        self._database.run(work)

    def _mark(
        self, connection: Connection, names: Sequence[str], *, which: str, at: str | None = None
    ) -> None:
        if not names:
            return
        listed = f"(SELECT v.name FROM {self._database.records({'name': 'text'})})"
        held = f"SELECT k.id FROM chunks k WHERE {which} {listed} ORDER BY k.id"
        connection.execute(
            text(
                f"UPDATE chunks SET dispatched_at = {at or self._database.now_sql}"
                f" WHERE id IN ({held}{self._database.skip_locked('k')})"
            ),
            {"rows": msgspec.json.encode([{"name": name} for name in names]).decode()},
        )

    def _due_chunks(
        self, connection: Connection, *, window: int, resend_after_s: float
    ) -> tuple[tuple[str, str], ...]:
        now, stale = self._database.now_sql, self._database.later_sql("stale")
        # Out: announced lately, or being worked on. A chunk whose lease ran out is announced once
        # more after that, and then again only when that message is stale too.
        announced = f"k.dispatched_at >= {stale}"
        again = f"({announced} AND k.dispatched_at >= k.lease_until)"
        out = text(
            f"SELECT count(*) FROM chunks k WHERE (k.state = 'pending' AND {announced})"
            f" OR (k.state = 'running' AND (k.lease_until >= {now} OR {again}))"
        )
        room = window - connection.execute(out, {"stale": -resend_after_s}).scalar_one()
        if room <= 0:
            return ()
        due = text(
            "SELECT k.id, c.lane FROM chunks k JOIN campaigns c ON c.id = k.campaign_id"
            " WHERE c.state IN ('running', 'verifying', 'cancelling') AND k.rescues < :rescues"
            f" AND ((k.state = 'pending' AND (k.retry_at IS NULL OR k.retry_at <= {now})"
            f" AND (k.dispatched_at IS NULL OR NOT {announced}))"
            f" OR (k.state = 'running' AND k.lease_until < {now}"
            f" AND (k.dispatched_at IS NULL OR NOT {again})))"
            # Not locked: the relay is alone, and a row that changes meanwhile is announced in vain.
            " ORDER BY CASE c.lane WHEN 'interactive' THEN 0 ELSE 1 END, c.submitted_at, c.id,"
            " length(k.id), k.id LIMIT :room"
        )
        values = {"stale": -resend_after_s, "rescues": MAX_RESCUES, "room": room}
        rows = connection.execute(due, values).all()
        self._mark(connection, [row.id for row in rows], which="k.id IN")
        return tuple((row.lane, row.id) for row in rows)

    def _due_accounts(
        self, connection: Connection, *, window: int, resend_after_s: float
    ) -> tuple[str, ...]:
        now, stale = self._database.now_sql, self._database.later_sql("stale")
        out = text(
            "SELECT count(DISTINCT account) FROM chunks"
            f" WHERE state = 'verifying' AND dispatched_at >= {stale}"
        )
        room = window - connection.execute(out, {"stale": -resend_after_s}).scalar_one()
        due = (
            f"k.state = 'verifying' AND k.retry_at <= {now}"
            f" AND (k.dispatched_at IS NULL OR k.dispatched_at < {stale})"
        )
        first = text(
            f"SELECT k.account FROM chunks k WHERE {due} GROUP BY k.account"
            " ORDER BY min(k.retry_at), k.account LIMIT :room"
        )
        values = {"stale": -resend_after_s, "room": max(0, room)}
        accounts = connection.execute(first, values).scalars().all()
        self._mark(
            connection,
            accounts,
            which=f"k.state = 'verifying' AND k.retry_at <= {now} AND k.account IN",
        )
        return tuple(accounts)

    # ------------------------------------------------------------ poison

    def take_apart_poison(self) -> list[str]:
        """Bisect chunks whose workers died too often; an edit left alone fails by name (law 8).

        Returns the chunks that were taken apart. Each half may be rescued once before it is halved
        again.
        """
        return self._database.run(lambda connection: take_apart_poison(self._database, connection))

    # ------------------------------------------------------------ pulses

    def beat(self, name: str) -> None:
        """Leave a sign of life, for `doctor` and `status`."""
        sql = text(
            f"INSERT INTO pulses (name, at) VALUES (:name, {self._database.now_sql})"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at"
        )
        self._database.run(lambda connection: connection.execute(sql, {"name": name}).rowcount)

    def pulses(self) -> dict[str, float]:
        """Return how many seconds ago each part gave a sign of life."""
        sql = text(f"SELECT name, {self._database.age_sql('at')} AS age FROM pulses")
        with self._database.read() as connection:
            return {row.name: row.age for row in connection.execute(sql)}
