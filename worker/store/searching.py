"""Searching the audit: one event's entries, what one person has done, one campaign's chains.

Streams, whatever the number. What is asked of an event or a campaign is found by an index; nobody
reads all entries for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, select

from worker.store.database import Database
from worker.store.lookup import edits_of, is_one_of
from worker.store.tables import audit, edits
from worker.store.values import AuditRow

#: How actions begin that are about single edits: of a hundred entries, more than ninety-nine.
EDIT = "edit."
_OF_ITS_EDIT = (audit.c.campaign_id == edits.c.campaign_id) & (audit.c.line_no == edits.c.line_no)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What to search for; all that is given must hold. `campaign_id` is an id, not a key.

    `account` leaves of an event or a campaign the lines of that account; without both it asks for
    the account's own entries. `since_s` is how many seconds back. Without an event, a campaign and
    an action of edits, entries about single edits are left out.
    """

    event_uid: str = ""
    account: str = ""
    actor: str = ""
    campaign_id: str = ""
    action: str = ""
    since_s: float | None = None

    @property
    def has_edits(self) -> bool:
        """Tell whether entries about single edits are among those that are sought."""
        return bool(self.event_uid or self.campaign_id) or self.action.startswith(EDIT)


class Search:
    """The statements of a search, and of a campaign's own chain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, sought: Sought) -> Iterator[AuditRow]:
        """Stream entries, oldest first; those of one moment in the order in which they came."""
        with self._database.read() as connection:
            query = self._query(connection, sought).order_by(audit.c.at, audit.c.id)
            yield from _streamed(connection, query)

    def deeds(self, campaign_id: str) -> list[AuditRow]:
        """Return what was done with a campaign as a whole, in order; nothing of its edits."""
        query = select(audit).where(
            audit.c.campaign_id == campaign_id,
            audit.c.line_no.is_(None),
            audit.c.chain == campaign_id,
        )
        with self._database.read() as connection:
            return list(_streamed(connection, query.order_by(audit.c.seq)))

    def _query(self, connection: Connection, sought: Sought) -> Select[Any]:
        query = self._placed(sought)
        if sought.actor:
            query = query.where(audit.c.actor == sought.actor)
        if sought.action:
            query = query.where(audit.c.action == sought.action)
        if sought.since_s is not None:
            since = self._database.now_in(connection) - timedelta(seconds=sought.since_s)
            query = query.where(audit.c.at >= since)
        return query

    def _placed(self, sought: Sought) -> Select[Any]:
        """Return the query for where entries stand, by which an index finds them."""
        query = select(audit)
        if sought.event_uid:
            found = edits_of(self._database, sought.event_uid)
            query = query.join(edits, _OF_ITS_EDIT).join(found, is_one_of(found))
        elif sought.campaign_id and sought.account:
            query = query.join(edits, _OF_ITS_EDIT)
        elif sought.account:
            query = query.where(audit.c.chain == f"account:{sought.account}")
        if sought.campaign_id:
            query = query.where(audit.c.campaign_id == sought.campaign_id)
        if sought.account and (sought.event_uid or sought.campaign_id):
            query = query.where(edits.c.account == sought.account)
        return query if sought.has_edits else query.where(audit.c.line_no.is_(None))


def _streamed(connection: Connection, query: Select[Any]) -> Iterator[AuditRow]:
    # Closed as well, since a reader may stop half way.
    with connection.execute(query, execution_options={"yield_per": 2000}) as rows:
        for row in rows:
            values = row._asdict()
            del values["id"]
            yield AuditRow(**values)
