"""Cutting the lines of a spool into chunks, before a transaction begins.

Edits of one account in the order of their dates, `size` to a chunk, so that one read serves many;
accounts take turns in the numbering, so that none waits for another to finish. A few bytes a line
are kept in memory.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from worker.store.spool import ACCOUNT_SHIFT, BATCH, faults

_IN_ORDER = f"""
SELECT n, turn >> {ACCOUNT_SHIFT}, hint IS NULL FROM spooled
WHERE repeats = 0 AND code IS NULL ORDER BY turn, n
"""


class NewChunk(NamedTuple):
    """A chunk to be stored; `number` is its turn within the campaign, from 1."""

    number: int
    account: str
    size: int
    reads_all: bool


@dataclass(slots=True)
class Places:
    """Which chunk each line is in."""

    #: by a line's `n`: its chunk's number, 0 for none
    numbers: array[int]
    accounts: Sequence[str]
    chunks: _Chunks

    def __iter__(self) -> Iterator[NewChunk]:
        """Give the chunks, account by account."""
        made = self.chunks
        for index in range(1, len(made.size)):
            yield NewChunk(
                number=made.number[index],
                account=self.accounts[made.account[index]],
                size=made.size[index],
                reads_all=bool(made.bare[index]),
            )

    def __len__(self) -> int:
        return len(self.chunks.size) - 1


@dataclass(slots=True)
class _Chunks:
    """By columns, in the order of accounts; the one at 0 stands for none."""

    account: array[int] = field(default_factory=lambda: array("I", [0]))
    #: which part of its account, from 0
    part: array[int] = field(default_factory=lambda: array("I", [0]))
    size: array[int] = field(default_factory=lambda: array("I", [0]))
    #: a date is missing in it
    bare: bytearray = field(default_factory=lambda: bytearray(1))
    number: array[int] = field(default_factory=lambda: array("I", [0]))

    def add(self, account: int) -> int:
        """Begin a chunk; returns its index."""
        again = account == self.account[-1] and len(self.size) > 1
        self.part.append(self.part[-1] + 1 if again else 0)
        self.account.append(account)
        self.size.append(0)
        self.bare.append(0)
        return len(self.size) - 1

    def count(self) -> None:
        """Number them from 1, the first part of every account before any second one."""
        counts = [0] * (max(self.part) + 1)
        for part in self.part[1:]:
            counts[part] += 1
        following = list(accumulate(counts, initial=1))
        for part in self.part[1:]:
            self.number.append(following[part])
            following[part] += 1


def place(accounts: Sequence[str], cursor: sqlite3.Cursor, *, count: int, size: int) -> Places:
    """Cut a spool's lines, `count` of them, into chunks of at most `size`.

    `cursor` sees the spool; lines that end at once are in no chunk.
    """
    chunks = _Chunks()
    index_of = array("I", bytes(4 * (count + 1)))
    _cut(cursor, chunks, index_of, size=size)
    chunks.count()
    numbers = array("I", map(chunks.number.__getitem__, index_of))
    return Places(numbers=numbers, accounts=accounts, chunks=chunks)


def _cut(cursor: sqlite3.Cursor, chunks: _Chunks, index_of: array[int], *, size: int) -> None:
    index, of, room = 0, -1, 0
    with faults():
        cursor.execute(_IN_ORDER)
        while rows := cursor.fetchmany(BATCH):
            for n, account, is_bare in rows:
                if account != of or not room:
                    index, of, room = chunks.add(account), account, size
                room -= 1
                index_of[n] = index
                chunks.size[index] += 1
                if is_bare:
                    chunks.bare[index] = 1
