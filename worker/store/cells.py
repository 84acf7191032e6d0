"""The input's cells as they are stored: what an edit has in a column of its own is not kept twice.

A third of a row is saved by it. In the JSON list a number stands for such a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Final

from msgspec import json

#: the columns that a number in the list means, by its place
NAMED: Final = ("account", "calendar_id", "event_uid", "ref")

_decode = json.Decoder(tuple[str | int, ...]).decode
_encode_lines = json.Encoder().encode_lines


def stored_cells(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """Return what is stored for each of some lines, given the file's columns and their names.

    For lines only of which those cells are the very texts of the edit.
    """
    kept = [
        repeat(NAMED.index(name)) if name in NAMED else column
        for name, column in zip(names, columns, strict=True)
    ]
    # At least one column says what to change, so that the repeated numbers come to an end.
    lines = list(zip(*kept, strict=False))
    return _encode_lines(lines).decode().split("\n")[:-1]


def cells_of(stored: str, named: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a line as the file had them; `named` are the values of `NAMED`."""
    return tuple([named[cell] if isinstance(cell, int) else cell for cell in _decode(stored)])
