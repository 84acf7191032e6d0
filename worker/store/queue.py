"""Which chunks should have a message now, and which lost their worker: for relay and sweeper.

Only a bounded window of work is out at a time; the rest waits in SQL, which decides the order.
Everything here may run in several processes at once, and twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, text

from worker.rules import Offer, Pick, share_out
from worker.store.database import Database
from worker.store.poison import poisoned, take_apart
from worker.store.waiting import Waiting

#: before a data center's name: the sign that it does not answer
OUTAGE = "outage:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Work to announce, in the order of turns: chunks to run, and accounts to read back."""

    runs: tuple[Pick, ...] = ()
    proofs: tuple[Pick, ...] = ()

    @property
    def chunks(self) -> tuple[tuple[str, str], ...]:
        """The chunks to run, each with its lane."""
        return tuple((pick.lane, pick.candidate.chunk_id) for pick in self.runs)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts to read back."""
        return tuple(pick.candidate.account for pick in self.proofs)


class Queue:
    """The statements of relay and sweeper."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_due(self, *, window: int, resend_after_s: float) -> Due:
        """Mark what is due as dispatched and return it; publish it after this has committed.

        Chunks of a weight of `window`, and as many accounts, are out at a time (`rules.sharing`
        tells whose). What was dispatched and not picked up within `resend_after_s` is due again.
        """

        def work(connection: Connection) -> Due:
            self._database.lock(connection, "relay")  # two at once would overfill the window
            waiting = Waiting(self._database, connection, resend_after_s=resend_after_s)
            due = _due(waiting, window=window)
            self._mark(connection, due, at=self._database.now_sql)
            return due

        return self._database.run(work)

    def forget_dispatch(self, due: Due) -> None:
        """Take back what could not be published, so that the next relay tries again at once."""
        self._database.run(lambda connection: self._mark(connection, due, at="NULL"))

    def _mark(self, connection: Connection, due: Due, *, at: str) -> None:
        """Say when chunks were announced: those that are still what they were."""
        self._mark_in(connection, due.runs, states="('pending', 'running')", at=at)
        self._mark_in(connection, due.proofs, states="('verifying')", at=at)

    def _mark_in(
        self, connection: Connection, picks: Sequence[Pick], *, states: str, at: str
    ) -> None:
        if not picks:
            return
        listed = f"(SELECT v.name FROM {self._database.records({'name': 'text'})})"
        held = f"SELECT k.id FROM chunks k WHERE k.id IN {listed} AND k.state IN {states}"
        locked = self._database.skip_locked("k")
        connection.execute(
            text(
                f"UPDATE chunks SET dispatched_at = {at} WHERE id IN ({held} ORDER BY k.id{locked})"
            ),
            {
                "rows": msgspec.json.encode(
                    [{"name": each.candidate.chunk_id} for each in picks]
                ).decode()
            },
        )

    # ------------------------------------------------------------ poison

    def poisoned(self) -> list[str]:
        """Return the chunks whose workers died too often, and that nobody holds."""
        with self._database.read() as connection:
            return poisoned(self._database, connection)

    def take_apart(self, chunk_id: str) -> bool:
        """Bisect a poisoned chunk; an edit left alone fails by name (law 8).

        Each half may be rescued once before it is halved again. False when there is nothing to do.
        """
        return self._database.run(
            lambda connection: take_apart(self._database, connection, chunk_id=chunk_id)
        )

    # ------------------------------------------------------------ pulses

    def beat(self, name: str) -> None:
        """Leave a sign of life, for `doctor` and `status`."""
        sql = text(
            f"INSERT INTO pulses (name, at) VALUES (:name, {self._database.now_sql})"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at"
        )
        self._database.run(lambda connection: connection.execute(sql, {"name": name}).rowcount)

    def note_outage(self, data_center: str, *, wait_s: float | None) -> None:
        """Leave a sign that a data center does not answer, at the time of its next probe.

        None takes it away. One that nobody renews means nothing soon after that time.
        """
        values: dict[str, object] = {"name": f"{OUTAGE}{data_center}"}
        if wait_s is None:
            sql = "DELETE FROM pulses WHERE name = :name"
        else:
            sql = (
                f"INSERT INTO pulses (name, at) VALUES (:name, {self._database.later_sql('wait')})"
                " ON CONFLICT (name) DO UPDATE SET at = excluded.at"
            )
            values["wait"] = wait_s
        self._database.run(lambda connection: connection.execute(text(sql), values).rowcount)

    def pulses(self) -> dict[str, float]:
        """Return how many seconds ago each part gave a sign of life; an outage's may be to come."""
        sql = text(f"SELECT name, {self._database.age_sql('at')} AS age FROM pulses")
        with self._database.read() as connection:
            return {row.name: row.age for row in connection.execute(sql)}


def _due(waiting: Waiting, *, window: int) -> Due:
    held, going = waiting.held(), waiting.going()
    most = max(1, window - held.weights.total())
    runs = [
        Offer(
            campaign=each.id,
            lane=each.lane,
            candidates=waiting.chunks_of(each, held, most=most),
        )
        for each in going
    ]
    proofs = [
        Offer(campaign=each.id, lane=each.lane, candidates=waiting.proofs_of(each, held))
        for each in going
    ]
    return Due(
        runs=tuple(share_out(runs, out=held.weights, window=window)),
        proofs=tuple(share_out(proofs, out=held.proofs, window=window)),
    )
