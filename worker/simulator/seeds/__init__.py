"""Fills a simulator with generated, real or copied calendars, and writes CSVs about them."""

from worker.simulator.seeds.ics import seed_ics
from worker.simulator.seeds.people import seed_people
from worker.simulator.seeds.sheets import write_accounts_csv, write_edits_csv
from worker.simulator.seeds.worlds import seed_world, write_world

__all__ = [
    "seed_ics",
    "seed_people",
    "seed_world",
    "write_accounts_csv",
    "write_edits_csv",
    "write_world",
]
