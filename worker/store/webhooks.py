"""News for others: what is to be told of a campaign, stored with the change that it tells of.

So none is lost with a process, and each is sent until it is taken, or has been refused for two
days. It carries ids, states and counts, and never an event's text.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, text

from worker.store.database import Database
from worker.store.values import Campaign

#: tries in all, which take two days (`notify.wait_s`): a receiver may be away for one
MOST_TRIES: Final = 60
#: how long somebody who sends has it to himself, in seconds
LEASE_S: Final = 60.0

HELD: Final = "campaign.held"
FINISHED: Final = "campaign.finished"
PLANNED: Final = "campaign.planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to be sent; `tries` counts this one."""

    id: str
    campaign_id: str
    url: str = field(repr=False)
    body: str
    tries: int


def tell(
    database: Database,
    connection: Connection,
    campaign: Campaign,
    event: str,
    *,
    state: str,
    why: str = "",
) -> None:
    """Have somebody told of a campaign within the transaction that changes it, if asked for."""
    if not campaign.notify or event.partition(".")[2] not in _asked(campaign)["on"]:
        return
    name, now = f"evt_{secrets.token_hex(8)}", database.now_in(connection)
    counts = connection.execute(
        text("SELECT state, count(*) AS n FROM edits WHERE campaign_id = :id GROUP BY state"),
        {"id": campaign.id},
    )
    body = {
        "id": name,
        "event": event,
        "at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "campaign": campaign.id,
        "key": campaign.key,
        "state": state,
        "state_reason": why,
        "job": campaign.job,
        "for": campaign.job_date.isoformat() if campaign.job_date else "",
        "total": campaign.total,
        "counts": {row.state: row.n for row in counts},
    }
    connection.execute(
        text(
            "INSERT INTO webhooks (id, campaign_id, event, body, next_at, at)"
            f" VALUES (:id, :campaign, :event, :body, {database.now_sql}, {database.now_sql})"
        ),
        {
            "id": name,
            "campaign": campaign.id,
            "event": event,
            "body": msgspec.json.encode(body).decode(),
        },
    )


def _asked(campaign: Campaign) -> dict[str, Any]:
    return msgspec.json.decode(campaign.notify, type=dict[str, Any])


class Webhooks:
    """The statements of whoever sends them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def are_due(self) -> bool:
        """Tell whether any is due."""
        sql = text(f"SELECT 1 FROM webhooks WHERE next_at <= {self._database.now_sql} LIMIT 1")
        with self._database.read() as connection:
            return connection.execute(sql).first() is not None

    def take(self, *, most: int) -> list[Delivery]:
        """Take what is due, oldest first; whoever dies over one leaves it to the next."""
        due = (
            f"SELECT w.id FROM webhooks w WHERE w.next_at <= {self._database.now_sql}"
            f" ORDER BY w.next_at, w.id LIMIT :most{self._database.skip_locked('w')}"
        )
        sql = text(
            f"UPDATE webhooks SET tries = tries + 1, next_at = {self._database.later_sql('lease')}"
            f" WHERE id IN ({due}) RETURNING id, campaign_id, body, tries,"
            " (SELECT c.notify FROM campaigns c WHERE c.id = campaign_id) AS notify"
        )

        def work(connection: Connection) -> list[Delivery]:
            rows = connection.execute(sql, {"most": most, "lease": LEASE_S}).all()
            return [
                Delivery(
                    id=row.id,
                    campaign_id=row.campaign_id,
                    url=msgspec.json.decode(row.notify)["webhook"],
                    body=row.body,
                    tries=row.tries,
                )
                for row in rows
            ]

        return self._database.run(work)

    def done(self, name: str, *, status: int) -> None:
        """Say that one was taken, or that it is given up."""
        sql = text("UPDATE webhooks SET next_at = NULL, status = :status WHERE id = :id")
        values = {"id": name, "status": status}
        self._database.run(lambda connection: connection.execute(sql, values).rowcount)

    def put_off(self, name: str, *, status: int, seconds: float) -> None:
        """Have one sent again later; `status` 0: there was no answer."""
        later = self._database.later_sql("wait")
        sql = text(f"UPDATE webhooks SET next_at = {later}, status = :status WHERE id = :id")
        values = {"id": name, "status": status, "wait": seconds}
        self._database.run(lambda connection: connection.execute(sql, values).rowcount)
