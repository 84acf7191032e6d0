"""One line of an input file as a value, and the digests that tell lines apart."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b, sha256

from msgspec import Struct, json

from worker.model import EventKey, Patch

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


def change_digest(row: Row) -> bytes:
    """Names the change: account, event and patch, whatever the line, the hint or the ref.

    The same change has the same digest in every file, format and release, since it is compared with
    what earlier campaigns stored.
    """
    return sha256(_named(row) + _encode(row.patch)).digest()


def event_digest(row: Row) -> bytes:
    """Names the event within the file, in 16 bytes."""
    return blake2b(_named(row), digest_size=16).digest()


def _named(row: Row) -> bytes:
    # Ids hold no control character, so NUL keeps ("a", "bc") and ("ab", "c") apart.
    calendar_id, event_uid = row.key
    return f"{row.account}\0{calendar_id}\0{event_uid}\0".encode()
