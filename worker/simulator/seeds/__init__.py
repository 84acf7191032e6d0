"""Fills a simulator with generated or real calendars, and writes CSVs about them."""

from worker.simulator.seeds.ics import seed_ics
from worker.simulator.seeds.people import seed_people
from worker.simulator.seeds.sheets import write_accounts_csv, write_edits_csv

__all__ = ["seed_ics", "seed_people", "write_accounts_csv", "write_edits_csv"]
