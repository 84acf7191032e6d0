"""A deployment in small: simulator, Valkey, database, workers and clock, each a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from tests.accounts_file import import_accounts
from tests.faults.proxy import Proxy, a_proxy
from tests.faults.supervisor import Supervisor
from worker.embedded import ValkeyServer, valkey_server
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET
from worker.store import Database, Store, migrate
from worker.tokens import generate_key

ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Fleet:
    """The processes, and what the test needs to talk to them."""

    folder: Path
    environ: dict[str, str]
    store: Store
    settings: Settings
    valkey: ValkeyServer
    simulator_url: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clock: subprocess.Popen[bytes] | None = None
    #: by "redis", "database" and "api": what stands before them, where a test has asked for it
    proxies: dict[str, Proxy] = field(default_factory=dict)
    #: starts dead processes again, where a test has asked for it
    supervisor: Supervisor | None = None

    @property
    def edits(self) -> Path:
        return self.folder / "edits.csv"

    def simulator(self, path: str) -> bytes:
        """Ask the simulator's control API."""
        with urllib.request.urlopen(f"{self.simulator_url}/_sim/{path}", timeout=60) as answer:
            return bytes(answer.read())

    def simulator_lines(self, path: str) -> list[Any]:
        """Ask for JSON lines."""
        return [json.loads(line) for line in self.simulator(path).splitlines()]

    def calpatch(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the command as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "worker.cli", *arguments],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **more,
        )

    def start_worker(
        self, *, concurrency: int = 4, launcher: Sequence[str] = ("-m", "celery")
    ) -> subprocess.Popen[bytes]:
        """Start one more worker process; `launcher` is what Python runs (tests.faults.launcher)."""
        name = f"worker{len(self.workers)}"
        command = [
            "worker", "-c", str(concurrency), "-n", f"{name}@test",
            "--without-gossip", "--without-mingle",
            "--loglevel", "WARNING",
        ]  # fmt: skip
        worker = self._celery(name, command, launcher=launcher)
        self.workers.append(worker)
        return worker

    def start_clock(self) -> subprocess.Popen[bytes]:
        """Start the clock."""
        command = ["beat", "-S", "celery.beat.Scheduler", "--loglevel", "WARNING"]
        self.clock = self._celery("beat", command)
        return self.clock

    def revive(self) -> int:
        """Start anew what has died, as a supervisor does; returns how many processes."""
        dead = [at for at, worker in enumerate(self.workers) if worker.poll() is not None]
        for at in dead:
            self.workers[at] = self._start(f"worker{at}", self.workers[at].args)
        if self.clock is None or self.clock.poll() is None:
            return len(dead)
        self.clock = self._start("beat", self.clock.args)
        return len(dead) + 1

    def _celery(
        self, name: str, command: list[str], *, launcher: Sequence[str] = ("-m", "celery")
    ) -> subprocess.Popen[bytes]:
        return self._start(name, [sys.executable, *launcher, "-A", "tasks", *command])

    def _start(self, name: str, command: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environ, cwd=ROOT, stdout=log, stderr=log)

    def stop_workers(self) -> None:
        """Stop every worker that still runs, at the same time."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            _stop(worker)

    def stop_clock(self) -> None:
        """Stop the clock, if it still runs."""
        if self.clock is not None:
            _stop(self.clock)

    def logs(self) -> str:
        """Return what all processes have said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextmanager
def a_fleet(
    folder: Path,
    database_url: str,
    *,
    simulate: list[str] | None = None,
    simulator_url: str = "",
    workers: int = 2,
    concurrency: int = 4,
    settings: Mapping[str, str] | None = None,
    through: AbstractSet[str] = frozenset(),
    supervised: bool = False,
    appendonly: bool = False,
) -> Iterator[Fleet]:
    """Start everything, import the accounts, and stop it all at the end.

    With `simulator_url` somebody else serves, and has written `accounts.csv` into the folder. What
    `through` names ("redis", "database", "api") the processes reach through proxies; the test looks
    at the database and the simulator directly. `supervised` starts what dies again.
    """
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server(appendonly=appendonly))
        url = simulator_url or stack.enter_context(_simulator(folder, simulate or []))
        urls = {"database": database_url, "redis": valkey.url, "api": url}
        proxies = {name: stack.enter_context(_before(urls[name])) for name in through}
        urls |= {name: _at_port(urls[name], proxy.port) for name, proxy in proxies.items()}
        environ = _environ(urls["database"], urls["redis"], urls["api"]) | dict(settings or {})
        read = Settings.load(environ)
        store = Store(Database(database_url))
        stack.callback(store.database.dispose)
        migrate(store.database)
        import_accounts(folder / "accounts.csv", store, read)
        fleet = Fleet(
            folder=folder,
            environ=environ,
            store=store,
            settings=read,
            valkey=valkey,
            simulator_url=url,
            proxies=proxies,
        )
        stack.callback(fleet.stop_workers)
        for _ in range(workers):
            fleet.start_worker(concurrency=concurrency)
        stack.callback(fleet.stop_clock)
        fleet.start_clock()
        if supervised:
            fleet.supervisor = stack.enter_context(Supervisor(fleet.revive))
        # What frozen processes do with their last breath has nobody to wait for.
        stack.callback(lambda: [proxy.heal() for proxy in proxies.values()])
        yield fleet


def _before(url: str) -> AbstractContextManager[Proxy]:
    parts = urlsplit(url)
    return a_proxy(str(parts.hostname), int(parts.port or 0))


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()


def _environ(database_url: str, redis_url: str, api_url: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALPATCH_")}
    return kept | {
        "CALPATCH_DATABASE_URL": database_url,
        "CALPATCH_REDIS_URL": redis_url,
        "CALPATCH_API_URL": api_url,
        "CALPATCH_CRONOFY_CLIENT_ID": SIM_CLIENT_ID,
        "CALPATCH_CRONOFY_CLIENT_SECRET": SIM_CLIENT_SECRET,
        "CALPATCH_VAULT_KEYS": generate_key(),
        "CALPATCH_BATCH_COUNTS_AS": "one",
        "CALPATCH_SHARE": "100%",
        "CALPATCH_RATE": "500/s",
        "CALPATCH_LEASE": "6",
        "CALPATCH_SETTLE": "1",
        "CALPATCH_VERIFY_DELAY": "1",
        "CALPATCH_SHUTDOWN_GRACE": "5",
    }


@contextmanager
def _simulator(folder: Path, arguments: list[str]) -> Iterator[str]:
    command = [
        sys.executable, "-m", "worker.simulator", "--port", "0",
        "--accounts-out", str(folder / "accounts.csv"),
        "--edits-out", str(folder / "edits.csv"), *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "listening on " in line, line
        yield line.split("listening on ")[1].split()[0]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def pause(seconds: float) -> None:
    """Wait between two looks at another process, for which there is no signal."""
    Event().wait(seconds)
