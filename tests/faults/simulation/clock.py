"""Simulated time: an event loop that never waits, and SQL that goes by the same clock.

When nothing is ready the loop jumps to its next timer, so two simulated hours take as long as what
happens in them. Every callback belongs to the process whose context it was made in: those of a
frozen process are put aside, as the kernel would after SIGSTOP.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Callable
from contextvars import Context, ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: The moment at which every simulation begins: a Monday noon, far from any clock change.
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
#: Callbacks that one simulation may run: more is a loop that does not end.
MOST_STEPS = 3_000_000

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_STORED = "%Y-%m-%d %H:%M:%f000"


class Owner(Protocol):
    """Whom a callback belongs to."""

    is_frozen: bool
    #: callbacks that wait for the thaw
    parked: list[asyncio.Handle]


#: Whose code is running; None for the world around all processes.
RUNNING: ContextVar[Owner | None] = ContextVar("RUNNING", default=None)


class Stuck(AssertionError):
    """Raised when nothing will ever happen again, or something happens for ever."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop without selector, threads or waiting: the same seed runs the same way."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._steps = 0
        self._tasks = count(1)
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        """Return the simulated seconds since the beginning."""
        return self._now_s

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Give work to a process's simulated threads."""
        future: asyncio.Future[Any] = executor.carry_out(partial(func, *args))
        return future

    def run_for(self, seconds: float) -> None:
        """Let so many seconds go by, with all that happens in them."""
        self.run_until_complete(asyncio.sleep(seconds))

    def _run_once(self) -> None:
        """Run what is ready; when nothing is, jump to the next timer."""
        ready, timers = self._ready, self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False
        if not ready:
            if not timers:
                raise Stuck("nothing will ever happen again")
            self._now_s = max(self._now_s, timers[0].when())
        while timers and timers[0].when() <= self._now_s:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            self._run_or_park(ready.popleft())

    def _run_or_park(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        owner = handle._context.get(RUNNING)
        if owner is not None and owner.is_frozen:
            owner.parked.append(handle)
            return
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Stuck(f"more than {MOST_STEPS} steps: something goes on for ever")
        handle._run()

    def _numbered(self, loop: Any, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        return _NumberedTask(coroutine, loop=loop, number=next(self._tasks), **more)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """Cancelled timers are dropped when their time comes."""

    def _process_events(self, event_list: Any) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken."""


class _NumberedTask(asyncio.Task[Any]):
    """Hashed by its number, so that sets of tasks have the same order in every run."""

    def __init__(self, coroutine: Any, *, number: int, **more: Any) -> None:
        self._number = number
        super().__init__(coroutine, **more)

    def __hash__(self) -> int:
        return self._number


class SimulatedClock:
    """A process's clocks: its wall clock may be wrong, its monotonic one begins anywhere."""

    def __init__(self, loop: SimulatedLoop, *, skew_s: float = 0.0, began_s: float = 0.0) -> None:
        self._loop = loop
        self._skew_s = skew_s
        self._began_s = began_s

    def now(self) -> datetime:
        """Return what this machine takes for the time."""
        return BEGIN + timedelta(seconds=self._loop.time() + self._skew_s)

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return self._began_s + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the simulated loop."""
        await asyncio.sleep(max(0.0, seconds))


def tell_time(connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
    """Have SQLite's own functions of time, as our statements use them, go by another clock."""

    def strftime(form: str, moment: str, later: str = "+0 seconds") -> str:
        if (form, moment) != (_STORED, "now") or not later.endswith(" seconds"):
            raise ValueError(f"the simulation knows no strftime({form!r}, {moment!r})")
        then = now() + timedelta(seconds=float(later.split(maxsplit=1)[0]))
        return f"{then:%Y-%m-%d %H:%M:%S}.{then.microsecond // 1000:03d}000"

    def julianday(moment: str | None) -> float | None:
        if moment is None:
            return None
        then = now() if moment == "now" else datetime.fromisoformat(moment).replace(tzinfo=UTC)
        return 2440587.5 + (then - _UNIX).total_seconds() / 86400.0

    connection.create_function("strftime", -1, strftime)
    connection.create_function("julianday", -1, julianday)


def in_context_of(owner: Owner | None, context: Context, work: Callable[[], T]) -> T:
    """Run code as a process's own, or as the world's."""

    def run() -> T:
        RUNNING.set(owner)
        return work()

    return context.run(run)
