"""Turns refusals (429) into pauses of the shared limiter, so that everybody slows down.

The answer's own word counts first. Without it: wait out the second, and with each further refusal
in a row twice as long, up to the minute: these are the two windows of the limit (cronofy-api §7).
That is at most twice the wait that was needed, whichever window is full; a minute for a full second
would waste 59 s of the rate. The limiter goes slower as well, and its log holds the refused calls:
when all of them fill a window that was made smaller it grants nothing, so even refusals that count
cannot keep the API's window full.
"""

from __future__ import annotations

import structlog

from worker.clock import Clock
from worker.cronofy.values import Pace
from worker.errors import LimiterUnavailable

_SECOND = 1.0
_MINUTE = 60.0
#: after so many the minute is reached
_DOUBLINGS = 6

log = structlog.get_logger(__name__)


class Throttle:
    """Remembers the pause under way, so that one burst of refusals counts as one."""

    def __init__(self, pace: Pace, *, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._until = float("-inf")
        self._in_a_row = 0

    @property
    def left_s(self) -> float:
        """Seconds until the pause under way ends; 0 without one."""
        return max(0.0, self._until - self._clock.monotonic())

    def answered(self, *, started: float) -> None:
        """Note that a call was let through; one from before the pause proves nothing about it."""
        if started >= self._until:
            self._in_a_row = 0

    async def refused(self, *, started: float, retry_after_s: float | None) -> None:
        """Pause everybody because of a call that began at `started` (monotonic seconds)."""
        same_burst = started < self._until
        self._in_a_row += 0 if same_burst else 1
        if same_burst and (retry_after_s or 0.0) <= self.left_s + _SECOND:
            return
        seconds = retry_after_s or min(_MINUTE, _SECOND * 2 ** min(self._in_a_row - 1, _DOUBLINGS))
        now = self._clock.monotonic()
        self._until = max(self._until, now + seconds)
        try:
            await self._pace.pause(seconds, age_s=now - started)
        except LimiterUnavailable:
            # The answer in hand is worth more than the pause, and without a limiter nobody gets
            # the next grant anyway.
            log.warning("limiter.unreachable")
