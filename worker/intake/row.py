"""One line of an input file as a value, what is kept of it, and the digest that names its change.

A file's lines go on in lots: what the spool takes, and what the digest of the whole file is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct, json

from worker.intake import moments
from worker.model import EventKey, Patch, Shift
from worker.store import SpoolColumns

_encode = json.Encoder().encode


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One requested edit as the file has it.

    `line_no` is the physical line where the record starts, counted from 1. `cells` are the original
    ones in the order of the file's columns, to be echoed in the results; a JSONL row has one: the
    line. `duplicate_of` is the line of the first row that asks the same for the same event.
    """

    line_no: int
    account: str
    key: EventKey
    patch: Patch
    hint: date | None
    ref: str
    cells: tuple[str, ...]
    duplicate_of: int | None = None


class Lot(NamedTuple):
    """Some lines, ready for the spool; `meaning` is what names them in the file's digest."""

    columns: SpoolColumns
    meaning: bytes


def lot_of(rows: Iterable[Row]) -> Lot:
    """Puts rows into a lot."""
    found = list(rows)
    changes = [change_digest(row) for row in found]
    given = [row.hint.toordinal() if row.hint else 0 for row in found]
    refs = [row.ref for row in found]
    columns = SpoolColumns(
        line_no=[row.line_no for row in found],
        account=[row.account for row in found],
        calendar_id=[row.key.calendar_id for row in found],
        event_uid=[row.key.event_uid for row in found],
        hint=[_iso(row.hint or expected_day(row.patch)) for row in found],
        ref=refs,
        patch=[_encode(row.patch).decode() for row in found],
        cells=[_encode(row.cells).decode() for row in found],
        change_digest=[shown(change) for change in changes],
        relative=[isinstance(row.patch.move, Shift) for row in found],
        repeats=[0] * len(found),
    )
    return Lot(columns, meaning(changes, days=given, refs=refs))


def change_digest(row: Row) -> bytes:
    """Names the change: account, event and patch, whatever the line, the hint or the ref.

    The same change has the same digest in every file, format and release, since it is compared with
    what earlier campaigns stored.
    """
    # Ids hold no control character, so NUL keeps ("a", "bc") and ("ab", "c") apart.
    calendar_id, event_uid = row.key
    named = f"{row.account}\0{calendar_id}\0{event_uid}\0".encode()
    return sha256(named + _encode(row.patch)).digest()


def shown(change: bytes) -> str:
    """Returns as much of a change's digest as is stored, in hex."""
    return change[:16].hex()


def meaning(changes: Sequence[bytes], *, days: Sequence[int], refs: Sequence[str]) -> bytes:
    """Returns what lines add to the digest of their file; a day is 0 without a hint."""
    # A ref holds no NUL, so none of these run into each other.
    lines = zip(changes, days, map(str.encode, refs), strict=True)
    return b"".join([b"%b%d\0%b\0" % line for line in lines])


def expected_day(patch: Patch) -> date | None:
    """Returns the day on which the event must still start, which is as good as a hint."""
    return moments.day(patch.expect_start) if patch.expect_start else None


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
