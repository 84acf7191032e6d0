"""One event loop and one set of resources for each worker process (measured: DESIGN §8).

Pool threads hand coroutines over and wait. Opened by the first task, not at import: a process that
forks must not share them. Stopping is bounded: after a grace, what still runs is cancelled, lets go
of its lease, and is taken up by another worker.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import structlog

from worker.app import open_engine
from worker.clock import Clock, SystemClock
from worker.engine import Engine
from worker.errors import WorkerError
from worker.settings import Settings

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: seconds until what could not be opened is tried again; tasks that come before fail as it did, and
#: their messages are gone until they are sent again: a database that is back must not wait longer
OPEN_AGAIN_S = 1.0
#: seconds for which the same reason is not told again
TELL_AGAIN_S = 60.0


class Runner:
    """The loop, its thread, and the engine that lives in it once `open` has succeeded."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[object]] = set()
        self._opening = threading.Lock()
        self._engine: Engine | None = None
        self._failure: WorkerError | None = None
        self._failed_at = 0.0
        #: what the log says already, and since when
        self._told = ("", 0.0)
        #: only ever touched on the loop
        self._is_stopped = False
        self._thread.start()

    @property
    def engine(self) -> Engine:
        """The resources, opened by whoever asks first.

        Raises what prevents that, and says so in the log once a minute.
        """
        with self._opening:
            if self._engine is None:
                self._open()
            if self._engine is None:
                raise self._failure or RuntimeError("neither opened nor failed")
            return self._engine

    def run(self, work: Callable[[Engine], Awaitable[T]]) -> T:
        """Run one piece of work on the loop and wait for it, in a pool thread."""
        engine = self.engine
        return self._call(lambda: work(engine))

    def stop_after(self, grace_s: float) -> None:
        """Cancel what still runs after `grace_s` seconds, and whatever comes later."""
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_s, self._cancel_all)

    def close(self) -> None:
        """Close session, limiter and database, and end the loop."""
        closing = asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop)
        try:
            closing.result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
            if not self._thread.is_alive():
                self._loop.close()

    def is_told(self, error: WorkerError) -> bool:
        """Tell whether the log already says why nothing can be done."""
        return error is self._failure

    def _open(self) -> None:
        now = self._clock.monotonic()
        if self._failure is not None and now - self._failed_at < OPEN_AGAIN_S:
            return
        try:
            self._engine = self._call(
                lambda: self._stack.enter_async_context(open_engine(self.settings))
            )
        except WorkerError as missing:
            self._failure, self._failed_at = missing, now
            self._tell(str(missing), now)
        else:
            self._failure = None
            # What is loaded by now stays. Collections that went through it again and again took a
            # seventh of the processor's time, and stopped everything for 100 ms (measured): as
            # long as the limit's margin, so that calls came too late.
            gc.collect()
            gc.freeze()

    def _tell(self, why: str, now: float) -> None:
        said, at = self._told
        if why != said or now - at >= TELL_AGAIN_S:
            self._told = (why, now)
            log.error("worker.cannot_start", why=why)

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        return asyncio.run_coroutine_threadsafe(self._tracked(work), self._loop).result()

    async def _tracked(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._is_stopped:
            raise asyncio.CancelledError
        task: asyncio.Task[object] | None = asyncio.current_task()
        if task is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("no task")
        self._running.add(task)
        try:
            return await work()
        finally:
            self._running.discard(task)

    def _cancel_all(self) -> None:
        # Once: a second time it would interrupt those that are letting go.
        if self._is_stopped:
            return
        self._is_stopped = True
        log.info("worker.cancelling", count=len(self._running))
        for task in self._running:
            task.cancel()


#: What a cancelled run looks like from a pool thread.
Cancelled = (asyncio.CancelledError, concurrent.futures.CancelledError)

#: never held while something is opened: the signal that stops a worker must not wait for that
_lock = threading.RLock()  # a second signal may come in the middle of `close`
_runners: dict[int, Runner] = {}


def current() -> Runner:
    """Return this process's runner; its engine opens when it is first asked for."""
    with _lock:
        pid = os.getpid()
        if pid not in _runners:
            _runners[pid] = Runner(Settings.load())
        return _runners[pid]


def note_left(event: str, known: WorkerError) -> None:
    """Log in one line why a task did nothing, unless the log says so already."""
    with _lock:
        runner = _runners.get(os.getpid())
    if runner is None or not runner.is_told(known):
        log.warning(event, why=type(known).__name__)


def forget() -> None:
    """Drop what a parent process opened: its threads do not exist here."""
    _runners.clear()


def stop_soon() -> None:
    """Begin the bounded stop."""
    with _lock:
        for runner in _runners.values():
            runner.stop_after(runner.settings.shutdown_grace)


def close() -> None:
    """Close this process's runner."""
    with _lock:
        runner = _runners.pop(os.getpid(), None)
    if runner is not None:
        runner.close()
