"""Sharing the window out: whose work is announced next, so that nobody waits for somebody large.

Lanes come in their order; within a lane the campaign with the least work out has the next turn, the
older one of two that are equal. The relay asks, SQL offers; nothing here waits or counts time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Edits that one batch request takes (cronofy-api §6).
MAX_BATCH = 50
#: Batches that a run of one chunk has under way at a time, at most.
BATCHES_AT_ONCE = 4
#: Chunks of one account that a campaign has out at a time: a slow account takes no more threads.
ACCOUNT_CHUNKS = 4
#: A campaign with less weight out is a newcomer: it overtakes, and has the reserve.
FIRST_WEIGHT = 8
#: One in so many parts of the window is kept for newcomers, and threads with it.
RESERVE_PART = 4

#: In this order lanes have their turn: people wait for the first.
LANES = ("interactive", "bulk")


class Candidate(NamedTuple):
    """Work that may be announced: a chunk, or (`account` alone) a read-back for a chunk's sake."""

    chunk_id: str
    account: str
    weight: int = 1
    #: it reads all that can be read of its account, and takes others that do along
    reads_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a campaign would have announced, best first; asked only when it has its turn."""

    campaign: str
    lane: str
    candidates: Iterator[Candidate]


class Pick(NamedTuple):
    """What is announced; `is_first`: its campaign had hardly anything out."""

    candidate: Candidate
    lane: str
    is_first: bool


def weight_of(size: int) -> int:
    """Return the calls that a chunk of so many edits has under way at a time, at most."""
    return min(BATCHES_AT_ONCE, max(1, -(-size // MAX_BATCH)))


def share_out(offers: Sequence[Offer], *, out: Mapping[str, int], window: int) -> list[Pick]:
    """Return what is announced now; `offers` come oldest campaign first.

    `out` is each campaign's weight that is out already. The last quarter of the window is for
    newcomers. A heavy chunk may overfill the window by less than its weight.
    """
    total = sum(out.values())
    picks: list[Pick] = []
    for lane in LANES:
        line = [
            (out.get(offer.campaign, 0), age, offer)
            for age, offer in enumerate(offers)
            if offer.lane == lane
        ]
        heapq.heapify(line)  # ages differ, so that offers are never compared
        while line:
            weight, age, offer = line[0]
            is_first = weight < FIRST_WEIGHT
            if total >= room(window, is_first=is_first):
                break
            candidate = next(offer.candidates, None)
            if candidate is None:
                heapq.heappop(line)
                continue
            picks.append(Pick(candidate, lane, is_first))
            heapq.heapreplace(line, (weight + candidate.weight, age, offer))
            total += candidate.weight
    return picks


def room(window: int, *, is_first: bool) -> int:
    """Return the weight up to which more may be announced, for newcomers and for others."""
    return window if is_first else window - window // RESERVE_PART
