"""The limiter of one process, on any clock: for tests and rehearsals."""

from __future__ import annotations

from typing import Any

from worker.clock import Clock
from worker.limits.base import MARGIN_S, LimiterState, clamped_pause, described
from worker.limits.line import Answer, WaitingLine
from worker.limits.pace import Pace, factor_of, refused
from worker.limits.rate import Rate
from worker.limits.slots import Slot, earliest, fitting, most_kept, used


class MemoryLimiter(WaitingLine):
    """The log of slots in memory: the same answers as RedisLimiter, shared with nobody."""

    def __init__(
        self, *, rate: Rate, share: float = 1.0, clock: Clock, margin_s: float = MARGIN_S
    ) -> None:
        super().__init__(rate=rate, share=share, margin_s=margin_s, clock=clock)
        self._keep = most_kept(self._limits)
        self._longest_s = max((limit.span_s for limit in self._limits), default=0.0)
        self._log: list[float] = []
        self._paused_until_s = 0.0
        self._pace: Pace | None = None

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None:
        """Lets nobody have a grant for so long; see Limiter."""
        now, pause_s = self._clock.monotonic(), clamped_pause(seconds)
        self._paused_until_s = max(self._paused_until_s, now + pause_s)
        if age_s is not None:
            self._pace = refused(self._pace, now_s=now, age_s=age_s, pause_s=pause_s)

    async def state(self) -> LimiterState:
        """Returns what is used and free now."""
        now = self._clock.monotonic()
        return described(
            tuple(used(self._log, now=now, limit=limit) for limit in self._limits),
            limits=self._limits,
            paused_for_s=max(0.0, self._paused_until_s - now),
            waiting=self._waiting,
            free_in_s=self._earliest(now, weight=1).at - now,
            factor=factor_of(self._pace, now),
        )

    async def aclose(self) -> None:
        """Has nothing to let go of."""

    async def _ask(self, weight: int, ahead_s: float, *, urgent: bool) -> Answer:
        now = self._clock.monotonic()
        at, behind = self._earliest(now, weight=weight, urgent=urgent)
        paused_s = max(0.0, self._paused_until_s - now)
        fits = fitting(self._limits, factor=factor_of(self._pace, now), urgent=urgent)
        if paused_s or at - now > ahead_s:
            again_s = max(paused_s, at - now - ahead_s)
            return Answer(granted=False, wait_s=at - now, again_s=again_s, fits=fits)
        self._log[behind:behind] = [at] * weight
        del self._log[self._keep :]
        while self._log and self._log[-1] <= now - self._longest_s:
            self._log.pop()
        return Answer(granted=True, wait_s=at - now, again_s=0.0, fits=fits, grant=(at, weight))

    def _give_back(self, grant: Any, *, asks_next: bool) -> None:  # noqa: ARG002
        at, weight = grant
        for _ in range(min(weight, self._log.count(at))):
            self._log.remove(at)

    async def _is_paused(self) -> bool:
        return self._paused_until_s > self._clock.monotonic()

    def _earliest(self, now: float, *, weight: int, urgent: bool = False) -> Slot:
        return earliest(
            self._log,
            now=now,
            not_before=self._paused_until_s,
            weight=weight,
            limits=self._limits,
            factor=factor_of(self._pace, now),
            urgent=urgent,
        )
