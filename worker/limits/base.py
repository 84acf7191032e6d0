"""What a limiter promises, and the waiting that all limiters share.

Waiters of one process stand in one line, first come, first served: only the head asks the log, so
a thousand waiters cost no more than one. Between processes the log's order decides.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from worker.clock import Clock
from worker.errors import LimiterUnavailable, WorkerError
from worker.limits.rate import UNLIMITED_WEIGHT, Rate
from worker.limits.slots import Limit, limits_of

#: seconds added to every window, for late wake-ups and delivery (celery-lab §3: no refusals at 0.1)
MARGIN_S = 0.1
#: seconds that a light grant may be reserved ahead; a longer wait is asked for again
AHEAD_S = 1.0
#: what a heavier grant may be reserved further ahead than the rate needs to make room for it:
#: seconds, more than jitter and delivery take, and a factor, so that the heavier one leads
LEAD_S, LEAD = 0.1, 1.25
#: seconds; spreads those who ask again at the same moment
JITTER_S = 0.05
#: seconds; a longer pause is a mistake of the one who asks for it (faults row 15)
LONGEST_PAUSE_S = 300.0
#: grants thrown away because they arrived later than the margin, before one is used all the same
LATE_TRIES = 3


class WaitTooLong(WorkerError):
    """Raised when no grant can come in time; `wait_s` is the least wait known of."""

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """One window now: the real limit, the share of it, and what is used, reservations included."""

    limit: int
    granted: int
    used: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterState:
    """What a person sees of the limiter; `waiting` counts this process only."""

    windows: tuple[WindowState, ...]
    paused_for_s: float
    waiting: int
    free_in_s: float


class Limiter(Protocol):
    """One limit for everybody who shares the log."""

    @property
    def rate(self) -> Rate: ...

    @property
    def share(self) -> float: ...

    @property
    def max_weight(self) -> int:
        """The most that one acquire may weigh."""

    async def acquire(self, weight: int = 1, *, timeout_s: float | None = None) -> float:
        """Waits for a grant and returns the seconds waited.

        Raises WaitTooLong as soon as it is clear that no grant comes within `timeout_s`,
        LimiterUnavailable when the log cannot be asked, and ValueError for a weight below 1 or
        above `max_weight`. A cancelled wait may leave its slot reserved and unused.
        """

    async def pause(self, seconds: float) -> None:
        """Lets nobody have a grant for so long; never shortens a pause, at most 300 s."""

    async def state(self) -> LimiterState:
        """Returns what is used and free now."""

    async def aclose(self) -> None:
        """Lets go of connections; the log stays."""


class Answer(NamedTuple):
    """What the log says: a slot in `wait_s`, or none before, and after how long to ask again."""

    granted: bool
    wait_s: float
    again_s: float


class _Slot(NamedTuple):
    """A reserved slot on this process's clock: it is not earlier, and not later, than these."""

    known_s: float
    wait_s: float
    asked_s: float

    @property
    def opens_s(self) -> float:
        return self.known_s + self.wait_s

    def late_by(self, now_s: float) -> float:
        """Returns the most that the use at `now_s` can lie behind the slot in the log."""
        return now_s - self.asked_s - self.wait_s


class WaitingLine(ABC):
    """A limiter without its log: the line, the deadlines, and what makes a grant stale."""

    def __init__(self, *, rate: Rate, share: float, margin_s: float, clock: Clock) -> None:
        self.rate = rate
        self.share = share
        self._limits: tuple[Limit, ...] = limits_of(rate, share=share, margin_s=margin_s)
        self._margin_s = margin_s
        self._clock = clock
        self._head = asyncio.Lock()
        self._waiting = 0
        self._failures = 0
        #: until when the head of the line is known to get nothing; 0 when there is no head
        self._nothing_before_s = 0.0

    @property
    def max_weight(self) -> int:
        """The most that one acquire may weigh."""
        return min((limit.granted for limit in self._limits), default=UNLIMITED_WEIGHT)

    async def acquire(self, weight: int = 1, *, timeout_s: float | None = None) -> float:
        """Waits for a grant and returns the seconds waited; see Limiter."""
        if not 1 <= weight <= self.max_weight:
            raise ValueError(f"a weight of {weight} is not between 1 and {self.max_weight}")
        began_s = self._clock.monotonic()
        until_s = float("inf") if timeout_s is None else began_s + timeout_s
        self._waiting += 1
        try:
            await self._take(weight, until_s)
        finally:
            self._waiting -= 1
        return self._clock.monotonic() - began_s

    @abstractmethod
    async def _ask(self, weight: int, ahead_s: float) -> Answer:
        """Asks the log, which reserves when the slot is at most `ahead_s` away and no pause is on.

        In a pause nothing is reserved: it may grow, and a new log does not know all grants yet.
        """

    @abstractmethod
    async def _is_paused(self) -> bool: ...

    async def _take(self, weight: int, until_s: float) -> None:
        late = 0
        while True:
            slot = await self._reserve(weight, until_s)
            if slot.wait_s > 0:
                await self._clock.sleep(slot.opens_s - self._clock.monotonic())
                # The slot was reserved before the pause was; the API has changed its mind since.
                if await self._is_paused():
                    continue
            # The log trusts a grant to be used within the margin. One that comes later is thrown
            # away, or the window would be exceeded; but not for ever, on a machine this slow.
            if late == LATE_TRIES or not self._is_late(slot):
                return
            late += 1

    def _is_late(self, slot: _Slot) -> bool:
        # Without a margin there is nothing to go by: every grant is a little late.
        return 0 < self._margin_s < slot.late_by(self._clock.monotonic())

    async def _reserve(self, weight: int, until_s: float) -> _Slot:
        async with self._turn(until_s):
            while True:
                asked_s = self._clock.monotonic()
                left_s = max(0.0, until_s - asked_s)
                answer = await self._ask(weight, min(self._ahead_s(weight), left_s))
                now_s = self._clock.monotonic()
                if answer.granted:
                    return _Slot(now_s, answer.wait_s, asked_s)
                self._nothing_before_s = asked_s + answer.wait_s
                self._refuse_beyond(until_s)
                jitter_s = random.uniform(0, JITTER_S)  # noqa: S311  spreads load, hides nothing
                await self._clock.sleep(answer.again_s + jitter_s)

    @asynccontextmanager
    async def _turn(self, until_s: float) -> AsyncIterator[None]:
        """Waits to be the head of the line; fails with the one before when it cannot ask."""
        self._refuse_beyond(until_s)
        failures = self._failures
        left_s = None if until_s == float("inf") else max(0.0, until_s - self._clock.monotonic())
        try:
            async with asyncio.timeout(left_s if self._head.locked() else None):
                await self._head.acquire()
        except TimeoutError:
            raise self._too_long() from None
        try:
            self._fail_with_the_one_before(failures)
            yield
        except LimiterUnavailable:
            self._failures += 1
            raise
        finally:
            self._nothing_before_s = 0.0
            self._head.release()

    def _fail_with_the_one_before(self, failures: int) -> None:
        # Or everybody in line would wait out the same timeouts, one after the other.
        if failures != self._failures:
            raise LimiterUnavailable("The limiter did not answer the one before in the line")

    def _ahead_s(self, weight: int) -> float:
        """Returns how far ahead a weight may reserve: until the rate has made room for it.

        Otherwise light ones would take each slot as it comes free, and a heavy one never got in.
        The lead makes it win even when light ones keep the slots evenly spaced.
        """
        if weight == 1 or not self._limits:
            return AHEAD_S
        room_s = max(limit.span_s / limit.granted for limit in self._limits)
        return AHEAD_S + LEAD_S + (weight - 1) * room_s * LEAD

    def _refuse_beyond(self, until_s: float) -> None:
        if self._nothing_before_s > until_s:
            raise self._too_long()

    def _too_long(self) -> WaitTooLong:
        wait_s = max(0.0, self._nothing_before_s - self._clock.monotonic())
        return WaitTooLong(f"No slot within the time given, at least {wait_s:.1f} s", wait_s=wait_s)


def clamped_pause(seconds: float) -> float:
    """Returns a pause within 0 to 300 s; what is no number at all pauses nobody."""
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if seconds == seconds else 0.0  # noqa: PLR0124


def described(
    used: tuple[int, ...],
    *,
    limits: tuple[Limit, ...],
    paused_for_s: float,
    waiting: int,
    free_in_s: float,
) -> LimiterState:
    """Returns the state from its parts, windows in the rate's order."""
    return LimiterState(
        windows=tuple(
            WindowState(limit=limit.requests, granted=limit.granted, used=n, seconds=limit.seconds)
            for limit, n in zip(limits, used, strict=True)
        ),
        paused_for_s=paused_for_s,
        waiting=waiting,
        free_in_s=free_in_s,
    )
