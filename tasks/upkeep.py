"""What keeps everything going: the clock's round, and topping up the window as chunks end."""

from __future__ import annotations

import structlog

from tasks.celery import app
from tasks.runner import current
from tasks.schedule import SWEEP
from worker.dispatch import Publisher, relay
from worker.errors import WorkerError
from worker.sweep import sweep

log = structlog.get_logger(__name__)


@app.task(name=SWEEP)
def sweep_once() -> None:
    """Do one round of the sweeper."""
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            sweep(engine.store, publisher, engine.settings)
        engine.store.queue.beat(f"worker:{engine.owner}")
    except WorkerError as known:
        log.warning("sweep.left", why=type(known).__name__)


def top_up() -> None:
    """Announce the next chunks; the clock does it as well, only later."""
    try:
        engine = current().engine
        with Publisher(engine.settings, app=app) as publisher:
            relay(engine.store, publisher, engine.settings)
    except WorkerError as known:
        log.info("relay.left", why=type(known).__name__)
