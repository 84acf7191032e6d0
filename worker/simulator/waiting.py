"""Accepted writes that have not taken yet, in the order in which they will."""

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from worker.simulator.values import Event, Key

#: Turns the state before a write takes (None = no such event) into the one after, at a time.
Effect = Callable[[Event | None, float], Event | None]


class Due(msgspec.Struct, frozen=True, order=True):
    """A write and when it takes."""

    at: float
    number: int
    key: Key
    #: An `Effect`; never compared, as numbers differ.
    effect: Any


class Waiting:
    """The queue of accepted writes, and those that wait for their profile to be reconnected."""

    def __init__(self) -> None:
        self._queue: list[Due] = []
        self._held: dict[str, list[Due]] = {}
        self._last_due: dict[Key, float] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._queue) + sum(len(held) for held in self._held.values())

    def add(self, key: Key, effect: Effect, at: float) -> None:
        """Lets a write take at a time, but never before an earlier one on the same event."""
        at = max(at, self._last_due.get(key, 0.0))
        self._last_due[key] = at
        heapq.heappush(self._queue, self._due(key, effect, at))

    def hold(self, profile_id: str, key: Key, effect: Effect) -> None:
        """Buffers a write until its profile is back."""
        self._held.setdefault(profile_id, []).append(self._due(key, effect, 0.0))

    def let_go(self, profile_id: str) -> list[Due]:
        """Takes out the writes that were buffered for a profile, in order."""
        return self._held.pop(profile_id, [])

    def take_due(self, until: float) -> Iterator[Due]:
        """Takes out, one after the other, the writes due up to a time."""
        while self._queue and self._queue[0].at <= until:
            due = heapq.heappop(self._queue)
            if self._last_due.get(due.key) == due.at:
                del self._last_due[due.key]
            yield due

    def _due(self, key: Key, effect: Effect, at: float) -> Due:
        self._number += 1
        return Due(at, self._number, key, effect)
