"""Picking the few edits that go first: of every kind, and the same ones whenever asked.

What is kept in mind meanwhile depends on how many are asked for, not on how many there are.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, zip_longest
from typing import NamedTuple, TypeAlias


class Stratum(NamedTuple):
    """An edit by its line, what it is alike in with others, and where it is among those."""

    line_no: int
    kind: str
    place: str = ""


#: a line with the number that was drawn for it, by which it is before or behind others
_Drawn: TypeAlias = tuple[bytes, int]


class _Group:
    """Lines of one kind, spread over its places."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._places: dict[str, list[_Drawn]] = {}
        self.first: _Drawn | None = None

    def add(self, place: str, drawn: _Drawn) -> None:
        kept = self._places.setdefault(place, [])
        insort(kept, drawn)
        del kept[self._count :]
        self.first = drawn if self.first is None else min(self.first, drawn)
        if len(self._places) > 2 * self._count:
            # With so many places one of each is taken: the first ones are enough.
            best = sorted(self._places.items(), key=lambda each: each[1][0])
            self._places = dict(best[: self._count])

    def __iter__(self) -> Iterator[_Drawn]:
        return _in_turn(sorted(self._places.values()))


def pick_canary(rows: Iterable[Stratum], count: int, *, seed: str) -> list[int]:
    """Return the lines of `count` edits in their order.

    There is one of each kind before any second one of it, and of each kind one of each place.
    """
    if not count:
        return []
    groups: dict[str, _Group] = {}
    for row in rows:
        drawn = sha256(f"{seed} {row.line_no}".encode()).digest()
        groups.setdefault(row.kind, _Group(count)).add(row.place, (drawn, row.line_no))
        if len(groups) > 2 * count:
            best = sorted(groups.items(), key=lambda each: each[1].first or ())
            groups = dict(best[:count])
    kinds = sorted(groups.values(), key=lambda group: group.first or ())
    return sorted(line for _, line in list(_in_turn(kinds))[:count])


def _in_turn(several: Iterable[Iterable[_Drawn]]) -> Iterator[_Drawn]:
    """Yield the first of each, then the second of each, and so on."""
    turns = chain.from_iterable(zip_longest(*several))
    return (drawn for drawn in turns if drawn is not None)
