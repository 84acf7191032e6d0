"""The rate limit: sliding windows over the whole application [§7, §11 row 17]."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Windows = tuple[tuple[int, float], ...]
#: When, and how much it weighs.
Arrival = tuple[float, int]
#: Arrivals that no window reaches are forgotten in lots of this size.
_LOT = 4096


class Limiter:
    """Grants or refuses arrivals against all windows at once.

    The service's algorithm is unknown; sliding windows over arrivals are the strictest one.
    """

    def __init__(self) -> None:
        #: Arrivals in order, behind one that never was; and all weight up to and with each.
        self._times: list[float] = [-math.inf]
        self._sums: list[int] = [0]
        #: (time, weight) of all arrivals on counted routes.
        self.granted: list[Arrival] = []
        self.refused: list[Arrival] = []

    def admit(self, windows: Windows, weight: int, now: float, *, refused_count: bool) -> float:
        """0 when the request may pass, else the seconds until it might."""
        wait = max((self._wait(count, span, weight, now) for count, span in windows), default=0.0)
        if not wait or refused_count:
            self._times.append(now)
            self._sums.append(self._sums[-1] + weight)
        (self.refused if wait else self.granted).append((now, weight))
        self._forget(now - max((span for _, span in windows), default=0.0))
        return wait

    def _wait(self, count: int, span: float, weight: int, now: float) -> float:
        passed = self._sums[bisect_right(self._times, now - span) - 1]
        excess = self._sums[-1] - passed + weight - count
        if excess <= 0:
            return 0.0
        frees = bisect_left(self._sums, passed + excess)
        if frees == len(self._times):
            # Heavier than the window itself: no wait will do.
            return span
        return max(self._times[frees] + span - now, 0.001)

    def _forget(self, before: float) -> None:
        last = bisect_right(self._times, before) - 1
        if last >= _LOT:
            del self._times[:last]
            del self._sums[:last]


def busiest(arrivals: Sequence[Arrival], span: float) -> int:
    """The most weight in any sliding window of `span` seconds; arrivals are in order."""
    most = held = first = 0
    for at, weight in arrivals:
        held += weight
        while arrivals[first][0] <= at - span:
            held -= arrivals[first][1]
            first += 1
        most = max(most, held)
    return most


def whole_seconds(wait: float) -> str:
    """A wait as Retry-After carries it."""
    return str(max(1, math.ceil(wait)))
