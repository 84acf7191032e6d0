"""Picking the few edits that go first: spread over strata, and the same ones whenever asked."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from typing import NamedTuple


class Stratum(NamedTuple):
    """An edit by its line, and what it is alike in with others."""

    line_no: int
    kind: str


def pick_canary(rows: Sequence[Stratum], count: int, *, seed: str) -> list[int]:
    """Return the lines of `count` edits, one of each kind before any second one, in their order."""

    def drawn(row: Stratum) -> bytes:
        return sha256(f"{seed} {row.line_no}".encode()).digest()

    kinds: dict[str, list[int]] = {}
    for row in sorted(rows, key=drawn):
        kinds.setdefault(row.kind, []).append(row.line_no)
    turns = chain.from_iterable(zip_longest(*kinds.values()))
    return sorted([line for line in turns if line is not None][:count])
