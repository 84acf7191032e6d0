"""What a limiter promises, and what it shows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.errors import WorkerError
from worker.limits.rate import Rate
from worker.limits.slots import Limit
from worker.rules import PLAIN_TURN, Turn

#: seconds added to every window, for late wake-ups and delivery (celery-lab §3: no refusals at 0.1)
MARGIN_S = 0.1
#: seconds; a longer pause is a mistake of the one who asks for it (faults row 15)
LONGEST_PAUSE_S = 300.0


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
    """What a person sees of the limiter; `waiting` counts this process only.

    `factor` is what refusals have left of the rate for now: 1 when none came lately.
    """

    windows: tuple[WindowState, ...]
    paused_for_s: float
    waiting: int
    free_in_s: float
    factor: float = 1.0


class Limiter(Protocol):
    """One limit for everybody who shares the log."""

    @property
    def rate(self) -> Rate: ...

    @property
    def share(self) -> float: ...

    @property
    def max_weight(self) -> int:
        """The most that one acquire may weigh."""

    @property
    def weight_now(self) -> int:
        """What of it fits into one window now: less while refusals slow everybody down.

        As the last answer said. What weighs more is granted all the same, alone in its window; an
        API whose real limit is below that weight would refuse it every time.
        """

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float:
        """Waits for a grant and returns the seconds waited.

        Raises WaitTooLong as soon as it is clear that no grant comes within `timeout_s`,
        LimiterUnavailable when the log cannot be asked, and ValueError for a weight below 1 or
        above `max_weight`. Those of one process take turns; urgent ones may use a small part of
        each window that others leave free. A cancelled wait gives its slot back.
        """

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None:
        """Lets nobody have a grant for so long; never shortens a pause, at most 300 s.

        With `age_s` a call that began so long ago was refused: everybody goes slower for a while,
        but for calls from before the last time that this happened.
        """

    async def state(self) -> LimiterState:
        """Returns what is used and free now."""

    async def aclose(self) -> None:
        """Lets go of connections; the log stays."""


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
    factor: float,
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
        factor=factor,
    )
