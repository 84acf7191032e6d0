"""The limiter of one process, on any clock: for tests and rehearsals."""

from __future__ import annotations

from collections import deque

from worker.clock import Clock
from worker.limits.base import (
    MARGIN_S,
    Answer,
    LimiterState,
    WaitingLine,
    clamped_pause,
    described,
)
from worker.limits.rate import Rate
from worker.limits.slots import earliest, used


class MemoryLimiter(WaitingLine):
    """The log of slots in memory: the same answers as RedisLimiter, shared with nobody."""

    def __init__(
        self, *, rate: Rate, share: float = 1.0, clock: Clock, margin_s: float = MARGIN_S
    ) -> None:
        super().__init__(rate=rate, share=share, margin_s=margin_s, clock=clock)
        keep = max((limit.requests for limit in self._limits), default=0)
        self._log: deque[float] = deque(maxlen=keep)
        self._paused_until_s = 0.0

    async def pause(self, seconds: float) -> None:
        """Lets nobody have a grant for so long; see Limiter."""
        until_s = self._clock.monotonic() + clamped_pause(seconds)
        self._paused_until_s = max(self._paused_until_s, until_s)

    async def state(self) -> LimiterState:
        """Returns what is used and free now."""
        now = self._clock.monotonic()
        return described(
            tuple(used(self._log, now=now, limit=limit) for limit in self._limits),
            limits=self._limits,
            paused_for_s=max(0.0, self._paused_until_s - now),
            waiting=self._waiting,
            free_in_s=self._earliest(now, weight=1) - now,
        )

    async def aclose(self) -> None:
        """Has nothing to let go of."""

    async def _ask(self, weight: int, ahead_s: float) -> Answer:
        now = self._clock.monotonic()
        at = self._earliest(now, weight=weight)
        paused_s = max(0.0, self._paused_until_s - now)
        if paused_s or at - now > ahead_s:
            again_s = max(paused_s, at - now - ahead_s)
            return Answer(granted=False, wait_s=at - now, again_s=again_s)
        self._log.extendleft([at] * weight)
        return Answer(granted=True, wait_s=at - now, again_s=0.0)

    async def _is_paused(self) -> bool:
        return self._paused_until_s > self._clock.monotonic()

    def _earliest(self, now: float, *, weight: int) -> float:
        return earliest(
            self._log,
            now=now,
            not_before=self._paused_until_s,
            weight=weight,
            limits=self._limits,
        )
