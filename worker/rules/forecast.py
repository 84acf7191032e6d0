"""How many API calls a campaign takes, before it is run and while it runs.

A floor that a quiet run meets: each account's calendars are listed once, each window is read once,
batches are full, and one sweep proves all of an account. Retries, doubts and wrong hints come on
top of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from worker.rules.windows import PAGE_SIZE


class Load(NamedTuple):
    """What one account has to have done: edits to write, events that its reads will show.

    Without `windows` nothing is read: a run has done that already.
    """

    edits: int
    events: int
    windows: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls by what they are for; writes as the limit counts them."""

    calendars: int = 0
    reads: int = 0
    writes: int = 0
    proofs: int = 0

    @property
    def total(self) -> int:
        return self.calendars + self.reads + self.writes + self.proofs

    def plus(self, other: Calls) -> Calls:
        """Return both together."""
        return Calls(
            calendars=self.calendars + other.calendars,
            reads=self.reads + other.reads,
            writes=self.writes + other.writes,
            proofs=self.proofs + other.proofs,
        )


def calls_needed(
    loads: Iterable[tuple[Load, int]],
    *,
    batch_size: int,
    batch_counts_as: Literal["each", "one"],
    page_size: int = PAGE_SIZE,
    lists_calendars: bool,
    verifies: bool,
) -> Calls:
    """Return the calls for so many accounts of each load; a load without edits costs nothing."""
    calendars = reads = writes = proofs = 0
    for load, count in loads:
        if load.edits <= 0:
            continue
        calendars += count * lists_calendars
        reads += count * _pages(load.events, windows=load.windows, page_size=page_size)
        batches = -(-load.edits // batch_size)
        writes += count * (batches if batch_counts_as == "one" else load.edits)
        proofs += count * verifies * -(-load.edits // page_size)
    return Calls(calendars=calendars, reads=reads, writes=writes, proofs=proofs)


def loads_of(edits: Iterable[int], *, chunk_size: int) -> Counter[Load]:
    """Return the loads of accounts with so many edits each; every chunk reads for itself.

    Of the events only those to be edited are known.
    """
    return Counter(Load(count, count, windows=-(-count // chunk_size)) for count in edits)


def _pages(events: int, *, windows: int, page_size: int) -> int:
    """Return the pages of so many events spread evenly over windows; an empty one has a page."""
    return windows and windows * max(1, -(-events // (windows * page_size)))
