"""The log of slots as values: when the next grant may be. `grant.lua` says the same in Lua.

A log holds the times of past and reserved grants, newest first, one entry per unit of weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.limits.rate import Rate, granted_share


class Limit(NamedTuple):
    """One window as the log sees it: `span_s` is the window plus the margin."""

    granted: int
    requests: int
    seconds: float
    span_s: float


def limits_of(rate: Rate, *, share: float, margin_s: float) -> tuple[Limit, ...]:
    """Returns what a caller with this share may use of each window."""
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share} is not above 0 and up to 1")
    return tuple(
        Limit(granted_share(window, share), *window, window.seconds + margin_s)
        for window in rate.windows
    )


def earliest(
    log: Sequence[float], *, now: float, not_before: float, weight: int, limits: tuple[Limit, ...]
) -> float:
    """Returns when a grant of this weight may be at the earliest, never before the newest slot."""
    at = max(now, not_before, log[0] if log else now)
    for limit in limits:
        # With `weight` new entries before it, this one would be one too many within the span.
        if (oldest := limit.granted - weight) < len(log):
            at = max(at, log[oldest] + limit.span_s)
    return at


def used(log: Sequence[float], *, now: float, limit: Limit) -> int:
    """Counts the entries that weigh on a window now; reserved slots count already."""
    return sum(at > now - limit.seconds for at in log)
