"""A world of one's own: Valkey, a simulated Cronofy, workers and the clock, in a passing folder.

What demo and rehearsal run in. Every process ends with the command, however it ends, and so does
the folder; nothing of the machine is used or left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worker.cli.processes import beat_command, worker_command
from worker.embedded import valkey_server
from worker.errors import WorkerError
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET
from worker.tokens import generate_key

THREADS = 8
#: seconds for a process to say that it is ready, and to end when told
START_S, STOP_S = 20.0, 5.0
#: seconds between two looks whether it is
LOOK_S = 0.05
#: in every world's folder: the simulator's accounts, with tokens that are good there only
ACCOUNTS = "accounts.csv"
_LISTENING = "listening on "
_PR_SET_PDEATHSIG = 1
#: waits for the end of the process that holds its other end, and removes what that has left
_JANITOR = """
import os, shutil, sys, threading
sys.stdin.read()
for _ in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    threading.Event().wait(0.1)
"""


class WorldFailed(WorkerError):
    """Raised when a private world does not come up, or a part of it dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What runs: the settings of all its processes, its files, the simulator's address."""

    settings: Settings
    environ: Mapping[str, str]
    folder: Path
    simulator_url: str
    processes: Mapping[str, subprocess.Popen[bytes]]

    def check(self) -> None:
        """Raise WorldFailed when a part has died, with its last words."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise WorldFailed(f"The {name} has died: {last_words(self.folder / f'{name}.log')}")


@contextmanager
def passing_folder(prefix: str, *, is_kept: bool = False) -> Iterator[Path]:
    """Make a folder that nobody else may look into, and remove it at the end unless it is kept.

    It is removed as well when this process is killed: another one waits for that. Whatever else
    this process puts down for a while goes there, too. SIGTERM ends the command as Ctrl-C does.
    """
    with _ended_by_sigterm(), ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        if not is_kept:
            stack.enter_context(_watched(folder))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = str(folder)
        yield folder


@contextmanager
def _watched(folder: Path) -> Iterator[None]:
    janitor = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, "-I", "-S", "-c", _JANITOR, str(folder)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            janitor.communicate(timeout=STOP_S)


@contextmanager
def running_world(
    folder: Path,
    *,
    simulate: Sequence[str],
    settings: Mapping[str, str],
    workers: int,
    within_s: float = START_S,
) -> Iterator[World]:
    """Start everything, import the simulator's accounts, and end it all.

    `simulate` are the simulator's options beside its port and accounts; it may take `within_s`
    seconds. Raises WorldFailed with what a process said last.
    """
    with ExitStack() as stack:
        place = folder / "valkey"
        place.mkdir()
        server = stack.enter_context(valkey_server(folder=place))
        url = _simulator(stack, folder, simulate, within_s=within_s)
        environ = _environ(folder, redis_url=server.url, api_url=url, settings=settings)
        read = Settings.load(environ)
        _prepare(read, folder / ACCOUNTS)
        commands = {f"worker-{number + 1}": worker_command(THREADS) for number in range(workers)}
        commands["clock"] = beat_command()
        processes = {
            name: _start(stack, command, folder, name, environ=environ)
            for name, command in commands.items()
        }
        yield World(
            settings=read,
            environ={key: value for key, value in environ.items() if key.startswith("CALPATCH_")},
            folder=folder,
            simulator_url=url,
            processes=processes,
        )


def _environ(
    folder: Path, *, redis_url: str, api_url: str, settings: Mapping[str, str]
) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALPATCH_")}
    return kept | {
        "CALPATCH_DATABASE_URL": f"sqlite:///{folder / 'calpatch.db'}",
        "CALPATCH_REDIS_URL": redis_url,
        "CALPATCH_API_URL": api_url,
        "CALPATCH_CRONOFY_CLIENT_ID": SIM_CLIENT_ID,
        "CALPATCH_CRONOFY_CLIENT_SECRET": SIM_CLIENT_SECRET,
        "CALPATCH_VAULT_KEYS": generate_key(),
        **settings,
    }


def _simulator(stack: ExitStack, folder: Path, options: Sequence[str], *, within_s: float) -> str:
    """Start the simulator on a free port, with a file of its accounts."""
    command = [sys.executable, "-m", "worker.simulator", "--port", "0"]
    command += ["--accounts-out", ACCOUNTS, *options]
    process = _start(stack, command, folder, "simulator", environ=dict(os.environ))
    log = folder / "simulator.log"
    for _ in range(int(within_s / LOOK_S)):
        said = log.read_text(errors="replace")
        if _LISTENING in said and said.endswith("\n"):
            return said.partition(_LISTENING)[2].split()[0]
        if _ended_within(process, LOOK_S):
            break
    raise WorldFailed(f"The simulator did not start: {last_words(log)}")


def _prepare(settings: Settings, accounts: Path) -> None:
    """Make the tables and import the accounts, as an operator would."""
    from worker.app import open_store
    from worker.cli.account_file import read_accounts
    from worker.store import migrate
    from worker.tokens import Vault

    store = open_store(settings, check_schema=False)
    try:
        migrate(store.database)
        store.accounts.import_all(
            read_accounts(str(accounts), Vault(settings.keys)), actor="calpatch"
        )
    finally:
        store.database.dispose()


def _start(
    stack: ExitStack, command: Sequence[str], folder: Path, name: str, *, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Its own session: Ctrl-C reaches us alone, and we end them in order.
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one prctl call
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    if not _ended_within(process, STOP_S):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _die_with_parent() -> Callable[[], object] | None:
    """Return what a child runs first: even a killed command leaves nothing running (on Linux)."""
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def last_words(log: Path) -> str:
    """Return the end of a process's log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or "it said nothing"
