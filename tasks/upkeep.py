"""What keeps everything going: the clock's round, and topping up the window as chunks end."""

from __future__ import annotations

from tasks.celery import app
from tasks.runner import Cancelled, current, note_left
from tasks.schedule import SWEEP
from worker.dispatch import Publisher, relay
from worker.errors import WorkerError
from worker.sweep import sweep


@app.task(name=SWEEP)
def sweep_once() -> None:
    """Do one round of the sweeper."""
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            sweep(engine.store, publisher, engine.settings)
        engine.store.queue.beat(f"worker:{engine.owner}")
    except Cancelled:
        return  # stopping: another worker does the next round
    except WorkerError as known:
        note_left("sweep.left", known)


def top_up() -> None:
    """Announce the next chunks; the clock does it as well, only later."""
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            relay(engine.store, publisher, engine.settings)
    except WorkerError as known:
        note_left("relay.left", known)
