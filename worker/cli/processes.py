"""`calpatch work` and `calpatch beat`: commands that become another process."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from worker.settings import Settings

#: what one worker serves; rarest and most urgent first
QUEUES = "upkeep,interactive,bulk"
DEFAULT_THREADS = 16


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("work", epilog="Example: calpatch work -c 16")(work)
    app.command("beat", epilog="Example: calpatch beat")(beat)


def work(
    *,
    threads: Annotated[
        int, typer.Option("--concurrency", "-c", min=1, max=256, help="Chunks at a time.")
    ] = DEFAULT_THREADS,
) -> None:
    """Run a worker; start as many as you like, they share one limit. SIGTERM ends it politely."""
    settings = Settings.load()
    settings.need("vault_keys", "cronofy_client_id", "cronofy_client_secret")
    _become(worker_command(threads, log_level=settings.log_level))


def beat() -> None:
    """Run the clock: it announces what is due and ends campaigns. One is enough, two do no harm."""
    _become(beat_command(log_level=Settings.load().log_level))


def worker_command(threads: int, *, log_level: str = "INFO") -> list[str]:
    """Return the command line of a worker."""
    # Celery is named, not imported: the engine knows nothing of its tasks.
    options = ["-P", "threads", "-c", str(threads), "--without-gossip", "--without-mingle"]
    return [*_CELERY, "worker", *options, "-Q", QUEUES, "-l", log_level]


def beat_command(*, log_level: str = "INFO") -> list[str]:
    """Return the command line of the clock; its plan is kept in memory, not in a file."""
    return [*_CELERY, "beat", "-S", "celery.beat.Scheduler", "-l", log_level]


_CELERY = [sys.executable, "-m", "celery", "-A", "tasks"]


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    # Signals and exit code are then the worker's own: a supervisor sees no wrapper.
    os.execv(command[0], command)  # noqa: S606 - our own interpreter and arguments
