"""How far a campaign is, and how long it will take: exact counts, and calls divided by the rate.

The rate is the one that the limiter grants, not the one measured while paused or throttled, so that
waiting does not spoil the estimate (features §2, 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from worker.model import FINAL, EditState

#: How final states are summed up in one line; every one is in exactly one group.
_GROUPS: tuple[tuple[str, frozenset[EditState]], ...] = (
    ("ok", frozenset({EditState.VERIFIED, EditState.UNCHANGED})),
    ("skip", frozenset({EditState.SKIPPED})),
    ("conflict", frozenset({EditState.CONFLICT})),
    ("fail", frozenset({EditState.FAILED, EditState.MISMATCH})),
    ("unproven", frozenset({EditState.UNVERIFIED})),
    ("not attempted", frozenset({EditState.NOT_ATTEMPTED})),
)
#: The groups named even when they are empty.
_ALWAYS_NAMED = 4


class Progress(Struct, frozen=True, kw_only=True):
    """A campaign's counts by state at one moment.

    `calls_remaining` is None as long as nobody has counted them; `granted_per_min` is what the
    limiter lets this campaign have, `used_per_min` what has lately been used of `limit_per_min`,
    which is the same unless the campaign asks for less than its turn; None when not known.
    `planned` are the lines that a plan has gone through, None when none is made.
    """

    counts: Mapping[EditState, int]
    total: int
    calls_remaining: int | None = None
    granted_per_min: float | None = None
    used_per_min: float | None = None
    limit_per_min: float | None = None
    planned: int | None = None
    state: str = ""
    why: str = ""

    @property
    def done(self) -> int:
        """Edits with a final outcome; while a plan is made, those that it has gone through."""
        if self.planned is not None:
            return self.planned
        return sum(count for state, count in self.counts.items() if state in FINAL)

    @property
    def percent(self) -> float:
        """Rounded down to one decimal: 100 is said only when all is done, and never exceeded."""
        if self.done >= self.total:
            return 100.0
        return math.floor(1000 * self.done / self.total) / 10

    @property
    def eta_s(self) -> float | None:
        """Seconds to go at the granted rate; None while the calls or the rate are not known."""
        if self.calls_remaining == 0:
            return 0.0
        rate = self.granted_per_min
        if self.calls_remaining is None or rate is None or rate <= 0:
            return None
        return 60 * self.calls_remaining / rate

    def sentence(self) -> str:
        """Return one line for a terminal: counts, rate, reason, time to go."""
        parts = [self._counted()]
        if self.granted_per_min is not None:
            limit = self.limit_per_min or self.granted_per_min
            parts.append(f"{self.used_per_min or 0:,.0f}/min of {limit:,.0f}")
        if self.why:
            parts.append(f"why: {self.why}")
        eta_s = self.eta_s
        if eta_s:
            parts.append(f"ETA {format_seconds(eta_s)}")
        return " | ".join(parts)

    def _counted(self) -> str:
        sums = [
            (name, sum(self.counts.get(state, 0) for state in states)) for name, states in _GROUPS
        ]
        named = [
            f"{name} {count:,}"
            for place, (name, count) in enumerate(sums)
            if count or place < _ALWAYS_NAMED
        ]
        head = f"{self.state} {self.done:,}/{self.total:,} {self.percent:.1f}%"
        return " ".join([head.strip(), *named])


def format_seconds(seconds: float) -> str:
    """Return a time to go in its two largest units: 45s, 3m07s, 2h05m, 1d03h."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
