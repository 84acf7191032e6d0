"""What keeps everything going: the clock's round, and topping up the window as chunks end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tasks.celery import app
from tasks.runner import Cancelled, current, note_left
from tasks.schedule import SWEEP, TELL_OTHERS
from worker.dispatch import Publisher, relay
from worker.errors import WorkerError
from worker.notify import send_due
from worker.sweep import sweep

#: Seconds between two rounds of a process that its own chunks ask for: a hundred small chunks may
#: end in a second, and a round takes as long as one of them.
TOP_UP_EVERY_S = 0.1


@app.task(name=SWEEP)
def sweep_once() -> None:
    """Do one round of the sweeper."""
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            # Rounds that nobody took in time ask for no more than this one does.
            publisher.drop_waiting("upkeep")
            sweep(engine.store, publisher, engine.settings)
        if engine.store.webhooks.are_due():
            # A task of its own: whoever does not answer must not hold the clock up.
            tell_others.apply_async(queue="upkeep")
        engine.store.queue.beat(f"worker:{engine.owner}")
    except Cancelled:
        return  # stopping: another worker does the next round
    except WorkerError as known:
        note_left("sweep.left", known)


@app.task(name=TELL_OTHERS)
def tell_others() -> None:
    """Send what others are to be told of campaigns."""
    try:
        current().run(send_due)
    except Cancelled:
        return  # stopping: what was not sent is due again soon
    except WorkerError as known:
        note_left("webhooks.left", known)


class Spaced:
    """Does a deed soon after each wish for it, but never sooner than `every_s` after the last time.

    Wishes that come while one waits are the same wish: it waits in the thread of whoever had it.
    """

    def __init__(self, deed: Callable[[], None], *, every_s: float) -> None:
        self._deed = deed
        self._every_s = every_s
        self._lock = threading.Lock()
        self._is_wished = False
        self._not_before = 0.0

    def wish(self) -> None:
        """Do it, after the time that it takes; or leave it to the one who waits to do it."""
        with self._lock:
            if self._is_wished:
                return
            self._is_wished = True
            wait_s = self._not_before - time.monotonic()
        threading.Event().wait(max(0.0, wait_s))
        with self._lock:
            # Before the deed: what ends while it looks may be what it did not see.
            self._is_wished = False
            self._not_before = time.monotonic() + self._every_s
        self._deed()


def _announce() -> None:
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            relay(engine.store, publisher, engine.settings)
    except WorkerError as known:
        note_left("relay.left", known)


_announcing = Spaced(_announce, every_s=TOP_UP_EVERY_S)


def top_up() -> None:
    """Announce the next chunks; the clock does it as well, only later."""
    _announcing.wish()
