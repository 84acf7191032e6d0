"""`calpatch work` and `calpatch beat`: commands that become another process."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from worker.cli.context import opened_store, pace_of
from worker.cli.reach import reached_redis
from worker.cli.talk import tell
from worker.errors import LimiterUnavailable, SettingsError
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
    refuse_unfit(settings)
    note_redis(settings)
    tell(f"A worker for {threads} chunks at a time starts; Ctrl-C or SIGTERM ends it politely")
    if os.geteuid() == 0:
        tell("It runs as root: a user of its own is safer")
    _become(worker_command(threads, log_level=settings.log_level))


def beat() -> None:
    """Run the clock: it announces what is due and ends campaigns. One is enough, two do no harm."""
    settings = Settings.load()
    note_redis(settings)
    tell("The clock starts; Ctrl-C or SIGTERM ends it")
    _become(beat_command(log_level=settings.log_level))


def refuse_unfit(settings: Settings) -> None:
    """Refuse what no waiting mends, before there is a worker that fails at each task.

    Raises SettingsError, VaultError or StoreUnavailable.
    """
    from worker.cronofy import base_url
    from worker.tokens import Vault

    settings.need("vault_keys", "cronofy_client_id", "cronofy_client_secret")
    Vault(settings.keys)
    pace_of(settings)
    base_url("us", settings.api_url)
    with opened_store(settings):
        """Opening looks at the schema."""


def note_redis(settings: Settings) -> None:
    """Say that Redis is awaited: workers and clock come before it when a machine starts.

    Raises SettingsError for an address or a password that cannot be right.
    """
    try:
        with reached_redis(settings.redis_url) as client:
            client.ping()
    except SettingsError as wrong:
        raise SettingsError(f"Redis: {wrong.message}", next_step=wrong.next_step) from wrong
    except LimiterUnavailable as down:
        tell(f"Redis {down.message}: waiting for it. {down.next_step}")


def worker_command(threads: int, *, log_level: str = "INFO") -> list[str]:
    """Return the command line of a worker."""
    # Celery is named, not imported: the engine knows nothing of its tasks.
    options = ["-P", "threads", "-c", str(threads), "--without-gossip", "--without-mingle"]
    return [*_CELERY, "worker", *options, "-Q", QUEUES, "-l", log_level]


def beat_command(*, log_level: str = "INFO") -> list[str]:
    """Return the command line of the clock; its plan is kept in memory, not in a file."""
    return [*_CELERY, "beat", "-S", "celery.beat.Scheduler", "-l", log_level]


#: Celery's banner shows settings that nobody set here, and its warning of root takes eight lines
_QUIET = ("-W", "ignore:You're running the worker with superuser")
_CELERY = [sys.executable, *_QUIET, "-m", "celery", "-q", "-A", "tasks"]


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    # Signals and exit code are then the worker's own: a supervisor sees no wrapper.
    os.execv(command[0], command)  # noqa: S606 - our own interpreter and arguments
