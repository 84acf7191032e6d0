"""The truth: campaigns, edits, chunks, accounts and the audit, in SQLite or PostgreSQL.

    store = Store(Database(url))
    store.campaigns.submit(...)    store.chunks.claim(...)    store.reading.counts(...)

Everything is synchronous and short; the engine calls it from threads (measured: the synchronous
drivers need fewer instructions than the asynchronous ones on both databases). No transaction spans
an API call.
"""

from __future__ import annotations

from worker.store.accounts import Accounts
from worker.store.audit import Audit, Break
from worker.store.campaigns import Campaigns
from worker.store.cells import cells_of, stored_cells
from worker.store.chains import image_digest
from worker.store.chunks import Chunks
from worker.store.database import Database
from worker.store.queue import Due, Queue
from worker.store.reading import Reading
from worker.store.rotation import SEALED, Rotation, SealedRow, SealedTable
from worker.store.schema import migrate, require_schema, versions
from worker.store.spool import Spool, SpoolColumns, Twin
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
    Released,
    Step,
)

__all__ = [
    "SEALED",
    "Account",
    "AuditRow",
    "Break",
    "CallRow",
    "Campaign",
    "Claim",
    "Database",
    "Due",
    "Edit",
    "EditRow",
    "NewAccount",
    "NewCampaign",
    "Note",
    "OpenWork",
    "Outcome",
    "Released",
    "SealedRow",
    "SealedTable",
    "Spool",
    "SpoolColumns",
    "Step",
    "Store",
    "Twin",
    "cells_of",
    "image_digest",
    "migrate",
    "require_schema",
    "stored_cells",
    "versions",
]


class Store:
    """The statements, grouped by what they are about."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.accounts = Accounts(database)
        self.campaigns = Campaigns(database)
        self.chunks = Chunks(database)
        self.queue = Queue(database)
        self.reading = Reading(database)
        self.audit = Audit(database)
        self.rotation = Rotation(database)
