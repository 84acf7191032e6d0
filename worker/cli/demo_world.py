"""The demo's world: Valkey, a simulated Cronofy, workers and the clock, in a passing folder.

Every process ends with the demo, however it ends; nothing of the machine is used or left behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from worker.cli.processes import beat_command, worker_command
from worker.embedded import valkey_server
from worker.errors import WorkerError
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET
from worker.tokens import generate_key

RATE = "50/s,500/min"
WORKERS = 2
THREADS = 8
#: seconds for a process to say that it is ready, and to end when told
START_S, STOP_S = 20.0, 5.0
_LISTENING = "listening on "
_PR_SET_PDEATHSIG = 1


class DemoFailed(WorkerError):
    """Raised when the demo's world does not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What runs: the settings of all its processes, its files, the simulator's address."""

    settings: Settings
    folder: Path
    accounts: Path
    edits: Path
    simulator_url: str
    processes: Mapping[str, subprocess.Popen[bytes]]

    def check(self) -> None:
        """Raise DemoFailed when a part has died, with its last words."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise DemoFailed(f"The {name} has died: {last_words(self.folder / f'{name}.log')}")


@contextmanager
def running_world(*, accounts: int, events: int, say: Callable[[str], None]) -> Iterator[World]:
    """Start everything, and end it all. Raises DemoFailed with what a process said last."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="calpatch-demo-")))
        stack.enter_context(_ended_by_sigterm())
        say("Starting Valkey, a simulated Cronofy, two workers and the clock …")
        server = stack.enter_context(valkey_server())
        url = _simulator(stack, folder, accounts=accounts, events=events)
        environ = _environ(folder, redis_url=server.url, api_url=url)
        settings = Settings.load(environ)
        _prepare(settings, folder / "accounts.csv")
        commands = {f"worker-{number + 1}": worker_command(THREADS) for number in range(WORKERS)}
        commands["clock"] = beat_command()
        processes = {
            name: _start(stack, command, folder, name, environ=environ)
            for name, command in commands.items()
        }
        yield World(
            settings=settings,
            folder=folder,
            accounts=folder / "accounts.csv",
            edits=folder / "edits.csv",
            simulator_url=url,
            processes=processes,
        )


def _environ(folder: Path, *, redis_url: str, api_url: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALPATCH_")}
    return kept | {
        "CALPATCH_DATABASE_URL": f"sqlite:///{folder / 'calpatch.db'}",
        "CALPATCH_REDIS_URL": redis_url,
        "CALPATCH_API_URL": api_url,
        "CALPATCH_CRONOFY_CLIENT_ID": SIM_CLIENT_ID,
        "CALPATCH_CRONOFY_CLIENT_SECRET": SIM_CLIENT_SECRET,
        "CALPATCH_VAULT_KEYS": generate_key(),
        "CALPATCH_RATE": RATE,
        "CALPATCH_BATCH_COUNTS_AS": "one",
        "CALPATCH_SWEEP_EVERY": "0.5",
        "CALPATCH_VERIFY_DELAY": "1",
        "CALPATCH_SHUTDOWN_GRACE": "2",
    }


def _simulator(stack: ExitStack, folder: Path, *, accounts: int, events: int) -> str:
    """Start the simulator on a free port, with files of its accounts and of a campaign."""
    command = [sys.executable, "-m", "worker.simulator", "--port", "0", "--rate", RATE]
    command += ["--accounts", str(accounts), "--events", str(events)]
    command += ["--accounts-out", "accounts.csv", "--edits-out", "edits.csv"]
    command += ["--behaviour", "lag_s=0.5", "batch_counts_as=one"]
    process = _start(stack, command, folder, "simulator", environ=dict(os.environ))
    log = folder / "simulator.log"
    for _ in range(int(START_S / 0.05)):
        said = log.read_text(errors="replace")
        if _LISTENING in said and said.endswith("\n"):
            return said.partition(_LISTENING)[2].split()[0]
        if _ended_within(process, 0.05):
            break
    raise DemoFailed(f"The simulator did not start: {last_words(log)}")


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
            read_accounts(str(accounts), Vault(settings.keys)), actor="calpatch demo"
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
    """Return what a child runs first: even a killed demo leaves nothing running (on Linux)."""
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def last_words(log: Path) -> str:
    """Return the end of a process's log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or "it said nothing"
