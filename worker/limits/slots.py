"""The log of slots as values: when the next grant may be. `grant.lua` says the same in Lua.

A log holds the times of past and reserved grants, newest first, one entry per unit of weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from worker.limits.rate import UNLIMITED_WEIGHT, Rate, granted_share

#: the part of each window that is left free for those whom a person waits for
RESERVE = 0.02
#: the smallest grant that has such a part: one slot of fewer would be more than 3 %
RESERVED_FROM = 34


class Limit(NamedTuple):
    """One window as the log sees it: `span_s` is the window plus the margin."""

    granted: int
    requests: int
    seconds: float
    span_s: float
    #: what of `granted` is for urgent ones alone
    reserved: int = 0

    def allowed(self, *, urgent: bool = False) -> int:
        """Return what may be granted within the span."""
        return self.granted if urgent else self.granted - self.reserved


class Slot(NamedTuple):
    """When a grant may be, and how many newer entries of the log it goes behind."""

    at: float
    behind: int = 0


def limits_of(rate: Rate, *, share: float, margin_s: float) -> tuple[Limit, ...]:
    """Returns what a caller with this share may use of each window."""
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share} is not above 0 and up to 1")
    granted = [granted_share(window, share) for window in rate.windows]
    return tuple(
        Limit(most, *window, window.seconds + margin_s, reserve(most))
        for most, window in zip(granted, rate.windows, strict=True)
    )


def reserve(granted: int) -> int:
    """Return how many slots of a window are left free for urgent ones."""
    return max(1, math.floor(granted * RESERVE)) if granted >= RESERVED_FROM else 0


def earliest(
    log: Sequence[float],
    *,
    now: float,
    not_before: float,
    weight: int,
    limits: tuple[Limit, ...],
    factor: float = 1.0,
    urgent: bool = False,
) -> Slot:
    """Returns when a grant of this weight may be at the earliest.

    It is never before the newest slot, unless it is urgent and those reserved after it lose
    nothing. `factor` slows all windows down.
    """
    start = max(now, not_before)
    room = [(_slowed(limit.allowed(urgent=urgent), factor), limit.span_s) for limit in limits]
    behind = sum(at > now for at in log) if urgent else 0
    if behind:
        at = _after(log, behind, start=start, weight=weight, room=room)
        if at <= log[behind - 1] and _leaves_room(log, at, behind=behind, weight=weight, room=room):
            return Slot(at, behind)
    at = _after(log, 0, start=start, weight=weight, room=room)
    return Slot(max(at, log[0]) if log else at)


def fitting(limits: tuple[Limit, ...], *, factor: float, urgent: bool = False) -> int:
    """Return the most that fits into every window when all are slowed down by the factor."""
    each = (_slowed(limit.allowed(urgent=urgent), factor) for limit in limits)
    return min(each, default=UNLIMITED_WEIGHT)


def _slowed(granted: int, factor: float) -> int:
    return max(1, math.floor(granted * factor + 1e-9))


_Room = list[tuple[int, float]]


def _after(log: Sequence[float], behind: int, *, start: float, weight: int, room: _Room) -> float:
    """Return the earliest time for which the older entries leave room."""
    at = start
    for granted, span_s in room:
        # With `weight` new entries before it, this one would be one too many within the span. One
        # that is heavier than a window that was slowed down goes alone in it.
        if (oldest := behind + max(0, granted - weight)) < len(log):
            at = max(at, log[oldest] + span_s)
    return at


def _leaves_room(log: Sequence[float], at: float, *, behind: int, weight: int, room: _Room) -> bool:
    """Tell whether the newer entries keep within their windows with this one before them."""
    for granted, whole_s in room:
        # What was put a span behind another is so again, but for the last digit.
        span_s = whole_s - 1e-6
        for i in range(max(0, behind - granted), behind):
            before = i + granted
            if before < behind + weight:
                if log[i] - at < span_s:
                    return False
            elif before - weight < len(log) and log[i] - log[before - weight] < span_s:
                return False
    return True


def most_kept(limits: tuple[Limit, ...]) -> int:
    """Return how many entries a log may need: a full window up to now, and one reserved ahead."""
    return 2 * max((limit.requests for limit in limits), default=0)


def used(log: Sequence[float], *, now: float, limit: Limit) -> int:
    """Counts the entries that weigh on a window now; reserved slots count already."""
    return sum(at > now - limit.seconds for at in log)
