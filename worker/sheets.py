"""What results and inputs agree on: the results' own columns, and cells that no spreadsheet runs.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (faults C17, row 31).
What only looks like one (a shift such as -P1D, a number) stays, so that people may sort and sum.
`restored` undoes exactly what `guarded` did, for every text there is: a results file is an input
again.
"""

from __future__ import annotations

import re
from typing import Final

_SINCE_0_1: Final = (
    "line_no", "item_id", "status", "code", "message", "before_start", "before_end",
    "after_start", "after_end", "event_tzid", "changed_fields", "attempts", "http_status",
    "error_key", "accepted_at", "verified_at",
)  # fmt: skip
#: What results append to the input's columns. A file whose header ends with these is a results
#: file, and what they hold is passed over. `event_tzid` has not the name of the input's `tzid`: a
#: header never names two columns alike. New ones come last: programs count the others.
RESULT_COLUMNS: Final = (
    *_SINCE_0_1, "planned_start", "planned_end", "seen_start", "seen_end", "seen_fields",
    "conflict",
)  # fmt: skip
#: The ends of headers by which results files are known, those of earlier versions as well.
_ENDINGS: Final = (RESULT_COLUMNS, _SINCE_0_1)

#: What makes a formula of a cell in one spreadsheet or another (ASVS 1.2.10), full-width forms too.
_STARTERS = "=+\\-@\t\r\n\0＝＋－＠"
_FORMULA = re.compile(f"'*[{_STARTERS}]")
#: Signed shifts and numbers: letters of durations, digits, and nothing that a formula is made of.
_HARMLESS = re.compile(r"[+-](?:P[0-9WDTHMS.,]+|[0-9]{1,15}(?:\.[0-9]{1,15})?)", re.ASCII)


def count_result_columns(names: tuple[str, ...]) -> int:
    """Return how many columns at the end of a header are results' own; 0 for another input."""
    return next((len(each) for each in _ENDINGS if names[-len(each) :] == each), 0)


def guarded(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs."""
    if not _FORMULA.match(text) or _HARMLESS.fullmatch(text):
        return text
    return f"'{text}"


def restored(cell: str) -> str:
    """Return what `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
