"""The truth: campaigns, edits, chunks, accounts and the audit, in SQLite or PostgreSQL.

    store = Store(Database(url), keyring=vault)
    store.campaigns.submit(...)    store.chunks.claim(...)    store.reading.counts(...)

Everything is synchronous and short; the engine calls it from threads (measured: the synchronous
drivers need fewer instructions than the asynchronous ones on both databases). No transaction spans
an API call.
"""

from __future__ import annotations

from worker.store.accounts import Accounts
from worker.store.again import Again, Named
from worker.store.audit import Audit, Break, Kept
from worker.store.campaigns import Campaigns
from worker.store.cells import cells_of, stored_cells
from worker.store.chunks import Chunks
from worker.store.controls import Freeze
from worker.store.database import Database
from worker.store.erasing import Erased, Erasing
from worker.store.gates import FROZEN, HELD, HELD_BY_CANARY
from worker.store.image_keys import ImageKeys
from worker.store.jobs import JobBusy, Jobs
from worker.store.plans import Approval, Plans
from worker.store.pruning import Pruned, Pruning
from worker.store.queue import OUTAGE, Due, Queue
from worker.store.reading import Reading
from worker.store.rotation import SEALED, Rotation, SealedRow, SealedTable
from worker.store.schema import migrate, require_schema, versions
from worker.store.sealing import Images, Keyring
from worker.store.searching import Search, Sought
from worker.store.spool import Spool, SpoolColumns, Twin
from worker.store.steering import Steering
from worker.store.values import (
    Account,
    AuditRow,
    CallRow,
    Campaign,
    Claim,
    Edit,
    EditRow,
    NewAccount,
    NewCampaign,
    Note,
    OpenWork,
    Outcome,
    PlanTotals,
    Released,
    Standing,
    Step,
)
from worker.store.webhooks import Delivery, Webhooks

__all__ = [
    "FROZEN",
    "HELD",
    "HELD_BY_CANARY",
    "OUTAGE",
    "SEALED",
    "Account",
    "Approval",
    "AuditRow",
    "Break",
    "CallRow",
    "Campaign",
    "Claim",
    "Database",
    "Delivery",
    "Due",
    "Edit",
    "EditRow",
    "Erased",
    "Freeze",
    "ImageKeys",
    "Images",
    "JobBusy",
    "Jobs",
    "Kept",
    "Keyring",
    "Named",
    "NewAccount",
    "NewCampaign",
    "Note",
    "OpenWork",
    "Outcome",
    "PlanTotals",
    "Pruned",
    "Released",
    "SealedRow",
    "SealedTable",
    "Search",
    "Sought",
    "Spool",
    "SpoolColumns",
    "Standing",
    "Step",
    "Store",
    "Twin",
    "cells_of",
    "migrate",
    "require_schema",
    "stored_cells",
    "versions",
]


class Store:
    """The statements, grouped by what they are about."""

    def __init__(
        self, database: Database, *, keyring: Keyring | None = None, seals: bool = True
    ) -> None:
        """`keyring` is the vault; without it, and with `seals` False, images are stored plain.

        `seals` False also says that calpatch before 0004 works on the same database.
        """
        self.database = database
        database.older_beside = not seals
        self.image_keys = ImageKeys(database, keyring, seals=seals)
        self.accounts = Accounts(database)
        self.campaigns = Campaigns(database, self.image_keys)
        self.chunks = Chunks(database, self.image_keys)
        self.jobs = Jobs(database)
        self.queue = Queue(database)
        self.reading = Reading(database, self.image_keys)
        self.audit = Audit(database)
        self.search = Search(database)
        self.erasing = Erasing(database)
        self.plans = Plans(database)
        self.again = Again(database)
        self.webhooks = Webhooks(database)
        self.steering = Steering(database)
        self.pruning = Pruning(database)
        self.rotation = Rotation(database)
