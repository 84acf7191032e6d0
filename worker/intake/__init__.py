"""Intake: from a file of requested edits to checked rows, or to a list of all its problems.

    with open_input("edits.csv") as file:
        checked = check(file, accounts=known)
        for row in rows(file, checked):
            ...

A campaign in YAML, which selects its events, is read by `worker.intake.campaign`.

Nothing here reaches the network or the database.
"""

from worker.intake.edit import COLUMNS
from worker.intake.passes import Checked, check, rows
from worker.intake.row import Row, change_digest
from worker.intake.source import Format, Input, Known, Source, open_input
from worker.sheets import RESULT_COLUMNS

__all__ = [
    "COLUMNS",
    "RESULT_COLUMNS",
    "Checked",
    "Format",
    "Input",
    "Known",
    "Row",
    "Source",
    "change_digest",
    "check",
    "open_input",
    "rows",
]
