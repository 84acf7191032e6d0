"""Cells that a spreadsheet does not run, and that come back as they were (faults C17, row 31).

A cell that a spreadsheet would take for a formula gets an apostrophe in front. What only looks like
one (a shift such as -P1D, a number) stays, so that people may sort and sum. `restored` undoes
exactly what `guarded` did, for every text there is.
"""

from __future__ import annotations

import re

#: What makes a formula of a cell in one spreadsheet or another (ASVS 1.2.10), full-width forms too.
_STARTERS = "=+\\-@\t\r\n\0＝＋－＠"
_FORMULA = re.compile(f"'*[{_STARTERS}]")
#: Signed shifts and numbers: letters of durations, digits, and nothing that a formula is made of.
_HARMLESS = re.compile(r"[+-](?:P[0-9WDTHMS.,]+|[0-9]{1,15}(?:\.[0-9]{1,15})?)", re.ASCII)


def guarded(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs."""
    if not _FORMULA.match(text) or _HARMLESS.fullmatch(text):
        return text
    return f"'{text}"


def restored(cell: str) -> str:
    """Return what `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def visible(text: str) -> str:
    """Return the text with everything escaped that a terminal would obey rather than show (C19)."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
