"""`calpatch work`, `beat` and `simulate`: commands that serve until they are told to stop."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.options import wrong_option
from worker.cli.talk import tell
from worker.errors import WorkerError
from worker.settings import Settings

#: what one worker serves; rarest and most urgent first
QUEUES = "upkeep,interactive,bulk"
DEFAULT_THREADS = 16


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("work", epilog="Example: calpatch work -c 16")(work)
    app.command("beat", epilog="Example: calpatch beat")(beat)
    example = "Example: calpatch simulate --accounts-out accounts.csv --edits-out edits.csv"
    app.command("simulate", epilog=example)(simulate)


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


def simulate(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9001,
    accounts: Annotated[int, typer.Option(min=0, help="People to make up.")] = 20,
    events: Annotated[int, typer.Option(min=0, help="Events for each of them.")] = 200,
    accounts_out: Annotated[
        Path | None, typer.Option(help="Write the accounts, for accounts import.")
    ] = None,
    edits_out: Annotated[
        Path | None, typer.Option(help="Write a campaign over all events, for submit.")
    ] = None,
    ics: Annotated[
        list[Path] | None, typer.Option(help="An iCalendar file: one more account.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="A script of faults, as JSON or JSON lines.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help='Its limits; "off" for none.')] = None,
    behaviour: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Another switch, as lag_s=2.")
    ] = None,
) -> None:
    """Serve a local Cronofy with made-up people, to try everything on; it keeps nothing."""
    from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, SimulateOptions, serve
    from worker.simulator.behaviour import Behaviour, changed_behaviour, read_switches

    try:
        switches = read_switches(behaviour or [])
        changes = switches if rate is None else switches | {"rate": rate}
        options = SimulateOptions(
            port=port,
            accounts=accounts,
            events=events,
            behaviour=changed_behaviour(Behaviour(), changes),
            ics=tuple(ics or ()),
            faults=faults,
            accounts_out=accounts_out,
            edits_out=edits_out,
        )
    except ValueError as wrong:
        raise wrong_option("simulate", "", str(wrong)) from wrong
    tell(
        f"In the other terminals: CALPATCH_API_URL=http://127.0.0.1:{port} "
        f"CALPATCH_CRONOFY_CLIENT_ID={SIM_CLIENT_ID} "
        f"CALPATCH_CRONOFY_CLIENT_SECRET={SIM_CLIENT_SECRET}"
    )
    try:
        serve(options)
    except (ValueError, OSError) as error:
        raise SimulatorFailed(
            f"The simulator cannot start: {error}", next_step="Correct the option and try again"
        ) from error


class SimulatorFailed(WorkerError):
    """Raised when the simulator cannot serve: a port that is taken, a file that is not there."""

    exit_code = 2
