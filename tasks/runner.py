"""One event loop and one set of resources for each worker process (measured: DESIGN §8).

Pool threads hand coroutines over and wait. Opened by the first task, not at import: a process that
forks must not share them. Stopping is bounded: after a grace, what still runs is cancelled, lets go
of its lease, and is taken up by another worker.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import structlog

from worker.app import open_engine
from worker.engine import Engine
from worker.settings import Settings

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Runner:
    """The loop, its thread, and the engine that lives in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[object]] = set()
        self._thread.start()
        try:
            self.engine: Engine = self._call(self._open())
        except BaseException:
            self._stop_loop()
            raise

    def run(self, work: Callable[[Engine], Awaitable[T]]) -> T:
        """Run one piece of work on the loop and wait for it, in a pool thread."""
        return self._call(self._tracked(work))

    def stop_after(self, grace_s: float) -> None:
        """Cancel what still runs after `grace_s` seconds."""
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_s, self._cancel_all)

    def close(self) -> None:
        """Close session, limiter and database, and end the loop."""
        self._call(self._stack.aclose())
        self._stop_loop()

    async def _open(self) -> Engine:
        return await self._stack.enter_async_context(open_engine(self.settings))

    async def _tracked(self, work: Callable[[Engine], Awaitable[T]]) -> T:
        task: asyncio.Task[object] | None = asyncio.current_task()
        if task is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("no task")
        self._running.add(task)
        try:
            return await work(self.engine)
        finally:
            self._running.discard(task)

    def _cancel_all(self) -> None:
        log.info("worker.cancelling", count=len(self._running))
        for task in self._running:
            task.cancel()

    def _call(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()


#: What a cancelled run looks like from a pool thread.
Cancelled = (asyncio.CancelledError, concurrent.futures.CancelledError)

_lock = threading.Lock()
_runners: dict[int, Runner] = {}


def current() -> Runner:
    """Return this process's runner, opening it when it is the first to be asked for."""
    with _lock:
        pid = os.getpid()
        if pid not in _runners:
            _runners[pid] = Runner(Settings.load())
        return _runners[pid]


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
