"""Campaigns as a whole: submission in one transaction, their states, and how they end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, nullcontext
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, text

from worker.errors import KeyConflict, StoreUnavailable
from worker.model import ENDED, CampaignState
from worker.rules import check_campaign
from worker.store.chains import note_campaign
from worker.store.database import Database
from worker.store.filling import Progress
from worker.store.image_keys import ImageKeys
from worker.store.jobs import admitted
from worker.store.placing import place
from worker.store.rows import campaign_of
from worker.store.settling import settle, unsettled
from worker.store.spool import Spool
from worker.store.submission import prepared, store_campaign
from worker.store.tables import campaigns
from worker.store.values import Campaign, EditRow, NewCampaign, Note


class Campaigns:
    """Every statement about campaigns as a whole."""

    def __init__(self, database: Database, keys: ImageKeys) -> None:
        self._database = database
        self._keys = keys

    def submit(
        self,
        new: NewCampaign,
        rows: Iterable[EditRow] | Spool,
        *,
        campaign_id: str,
        image_key: bytes,
        chunk_size: int,
        progress: Progress | None = None,
    ) -> tuple[Campaign, bool]:
        """Store a campaign with its edits and chunks, all or nothing; tells whether it is new.

        A key that is known with the same content gives the campaign it named. Raises KeyConflict
        when the content differs, and Held where the job that it is a run of forbids it. Streams
        `rows`, once; a spool stays its owner's to close.
        Submissions take turns, so that an event is never in two of them; nothing else waits for
        them in PostgreSQL. In SQLite all writers wait while the lines are moved.
        """
        with self._database.read() as connection:
            known = self._find(connection, new.key, column="key")
            if known is None:
                # Before all that takes long; what is decided below is what counts.
                admitted(connection, new)
        if known is not None:
            return _same(known, new), False
        spool = prepared(rows)
        with nullcontext() if spool is rows else closing(spool):
            return self._store(
                new, spool, campaign_id=campaign_id, image_key=image_key, chunk_size=chunk_size,
                progress=progress,
            )  # fmt: skip

    def _store(
        self,
        new: NewCampaign,
        spool: Spool,
        *,
        campaign_id: str,
        image_key: bytes,
        chunk_size: int,
        progress: Progress | None,
    ) -> tuple[Campaign, bool]:
        # All that takes long and needs no lock comes first.
        places = place(spool.accounts, spool.cursor(), count=spool.count, size=chunk_size)
        # Not `run`: nothing here meets another transaction.
        with self._database.begin() as connection:
            self._database.be_patient(connection)
            self._database.lock(connection, "submit")
            known = self._find(connection, new.key, column="key")
            if known is not None:
                return _same(known, new), False
            store_campaign(
                self._database,
                connection,
                new=admitted(connection, new),
                spool=spool,
                places=places,
                campaign_id=campaign_id,
                image_key=image_key,
                chunk_size=chunk_size,
                progress=progress,
                copies=not self._keys.seals,
            )
            campaign = self._find(connection, campaign_id, column="id")
        if campaign is None:  # pragma: no cover - we have just inserted it
            raise StoreUnavailable("The campaign vanished within its own transaction")
        return campaign, True

    def get(self, campaign_id: str) -> Campaign | None:
        """Return a campaign by its id or, failing that, by its key."""
        with self._database.read() as connection:
            return self._find(connection, campaign_id, column="id") or self._find(
                connection, campaign_id, column="key"
            )

    def latest(self) -> Campaign | None:
        """Return the campaign submitted last."""
        listed = self.newest(limit=1)
        return listed[0] if listed else None

    def newest(
        self, *, state: str | None = None, since_s: float | None = None, limit: int = 50
    ) -> list[Campaign]:
        """Return the newest campaigns first; with `since_s`, those of so many seconds only."""
        query = campaigns.select().order_by(campaigns.c.submitted_at.desc(), campaigns.c.id.desc())
        if state:
            query = query.where(campaigns.c.state == state)
        with self._database.read() as connection:
            if since_s is not None:
                since = self._database.now_in(connection) - timedelta(seconds=since_s)
                query = query.where(campaigns.c.submitted_at >= since)
            return [campaign_of(row) for row in connection.execute(query.limit(limit))]

    def children(self, campaign_id: str) -> list[Campaign]:
        """Return the campaigns that undo this one or try it again, oldest first."""
        query = campaigns.select().where(campaigns.c.parent == campaign_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(campaigns.c.submitted_at, campaigns.c.id))
            return [campaign_of(row) for row in rows]

    def pruned(self) -> int:
        """Return how many campaigns there are whose lines were pruned."""
        sql = text("SELECT count(*) FROM campaigns WHERE pruned_at IS NOT NULL")
        with self._database.read() as connection:
            return int(connection.execute(sql).scalar_one())

    def move(
        self, campaign_id: str, state: CampaignState, *, state_reason: str = "", note: Note
    ) -> bool:
        """Take a campaign to `state` along CAMPAIGN_TRANSITIONS, with an audit entry.

        False when it already is there or has ended, or when there is none; raises WrongTransition
        for an arrow that is not one.
        """

        def work(connection: Connection) -> bool:
            campaign = self._find(connection, campaign_id, column="id", lock=True)
            if campaign is None or campaign.state is state or campaign.state in ENDED:
                return False
            check_campaign(campaign.state, state)
            connection.execute(
                text("UPDATE campaigns SET state = :state, state_reason = :why WHERE id = :id"),
                {"id": campaign_id, "state": str(state), "why": state_reason},
            )
            note_campaign(self._database, connection, notes=[note], campaign_id=campaign_id)
            return True

        return self._database.run(work)

    def unsettled(self) -> list[str]:
        """Return the campaigns whose state does not follow their chunks yet."""
        with self._database.read() as connection:
            return unsettled(connection)

    def settle(self, campaign_id: str) -> bool:
        """Let a campaign's state follow its chunks; True when it ended now."""
        return self._database.run(
            lambda connection: settle(self._database, connection, campaign_id=campaign_id)
        )

    def _find(
        self,
        connection: Connection,
        value: str,
        *,
        column: Literal["id", "key"],
        lock: bool = False,
    ) -> Campaign | None:
        query = campaigns.select().where(campaigns.c[column] == value)
        row = connection.execute(query.with_for_update() if lock else query).first()
        return campaign_of(row) if row else None


def _same(known: Campaign, new: NewCampaign) -> Campaign:
    if known.digest != new.digest:
        raise KeyConflict(
            f"The key {new.key!r} already names campaign {known.id}, with other content",
            next_step=f"Choose another --key, or see `calpatch status {known.id}`",
        )
    return known
