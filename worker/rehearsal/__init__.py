"""Rehearsal: the calendars of a campaign, copied for a private simulator.

    with open_book(folder / "world.jsonl") as book:
        copy_live(settings, store, meant_by(select, store), book)

The live API is only read, and the live database only asked. `calpatch rehearse` runs the rest.
"""

from __future__ import annotations

from worker.rehearsal.book import Book, Copied, Standing, open_book
from worker.rehearsal.files import Naming, Source, copy_files
from worker.rehearsal.live import Meant, copy_accounts, copy_live, meant_by, meant_in
from worker.rehearsal.terms import at_once, in_earnest, pace_of_run, rehearsed

__all__ = [
    "Book",
    "Copied",
    "Meant",
    "Naming",
    "Source",
    "Standing",
    "at_once",
    "copy_accounts",
    "copy_files",
    "copy_live",
    "in_earnest",
    "meant_by",
    "meant_in",
    "open_book",
    "pace_of_run",
    "rehearsed",
]
