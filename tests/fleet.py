"""A deployment in small: simulator, Valkey, database, workers and clock, each a process."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from tests.accounts_file import import_accounts
from tests.auditor import Verdict, audit_run, truth_at
from tests.faults.proxy import Proxy, a_proxy
from tests.faults.rounds import every
from worker.embedded import ValkeyServer, valkey_server
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET
from worker.store import Database, Store, migrate
from worker.tokens import Vault, generate_key

ROOT = Path(__file__).parents[1]
#: seconds between two looks whether something has died
LOOK_S = 0.2
#: settings of the tests themselves
OURS = "CALPATCH_TEST_"


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
    #: how many dead processes have been started again, where a test has asked for it
    restarts: int = 0

    @property
    def edits(self) -> Path:
        return self.folder / "edits.csv"

    def simulator(self, path: str) -> bytes:
        """Ask the simulator's control API."""
        with urllib.request.urlopen(f"{self.simulator_url}/_sim/{path}", timeout=60) as answer:
            return bytes(answer.read())

    def control(self, path: str, body: Mapping[str, object] | None, *, method: str = "") -> None:
        """Meddle with the simulator by its control API."""
        data = None if body is None else json.dumps(dict(body)).encode()
        request = urllib.request.Request(
            f"{self.simulator_url}/_sim/{path}", data=data, method=method or None
        )
        urllib.request.urlopen(request, timeout=30).close()

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
        self,
        *,
        concurrency: int = 4,
        app: str = "tasks",
        code: Path = ROOT,
        launcher: Sequence[str] = ("-m", "celery"),
    ) -> subprocess.Popen[bytes]:
        """Start one more worker process, of an app of the test's own, or of other code's.

        `launcher` is what Python runs (tests.faults.launcher).
        """
        name = f"worker{len(self.workers)}"
        command = [
            "worker", "-c", str(concurrency), "-n", f"{name}@test",
            "--without-gossip", "--without-mingle",
            "--loglevel", "WARNING",
        ]  # fmt: skip
        whole = [sys.executable, *launcher, "-A", app, *command]
        worker = self._start(name, whole, code=code)
        self.workers.append(worker)
        return worker

    def start_clock(self) -> subprocess.Popen[bytes]:
        """Start the clock."""
        command = ["beat", "-S", "celery.beat.Scheduler", "--loglevel", "WARNING"]
        whole = [sys.executable, "-m", "celery", "-A", "tasks", *command]
        self.clock = self._start("beat", whole)
        return self.clock

    def revive(self) -> None:
        """Start anew what has died, as systemd, compose and Kubernetes do."""
        for at, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[at] = self._start(f"worker{at}", worker.args)
                self.restarts += 1
        if self.clock is not None and self.clock.poll() is not None:
            self.clock = self._start("beat", self.clock.args)
            self.restarts += 1

    def _start(self, name: str, command: Any, *, code: Path = ROOT) -> subprocess.Popen[bytes]:
        environ = self.environ if code == ROOT else self.environ | {"PYTHONPATH": str(code)}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, env=environ, cwd=code, stdout=log, stderr=log)

    def audit_run(self) -> Verdict:
        """Judge everything that has happened so far."""
        return audit_run(
            self.store,
            truth_at(self.simulator_url),
            secrets=_tokens(self.folder / "accounts.csv"),
            logs=self.logs(),
        )

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
    """Start everything, import the accounts, and stop it all at the end; then the auditor judges.

    With `simulator_url` somebody else serves, and has written `accounts.csv` into the folder;
    nothing is judged then. What `through` names ("redis", "database", "api") the processes reach
    through proxies; the test looks at the database and the simulator directly. `supervised` starts
    what dies again.
    """
    with ExitStack() as stack:
        acl = ROOT / "deploy" / "redis-acl.conf"
        valkey = stack.enter_context(valkey_server(appendonly=appendonly, acl=acl))
        url = simulator_url or stack.enter_context(_simulator(folder, simulate or []))
        urls = {"database": database_url, "redis": valkey.user_url, "api": url}
        proxies = {name: stack.enter_context(_before(urls[name])) for name in through}
        urls |= {name: _at_port(urls[name], proxy.port) for name, proxy in proxies.items()}
        environ = _environ(urls["database"], urls["redis"], urls["api"]) | dict(settings or {})
        read = Settings.load(environ)
        store = Store(Database(database_url), keyring=Vault(read.keys))
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
        if not simulator_url:
            stack.push(_judging(fleet))
        stack.callback(fleet.stop_workers)
        for _ in range(workers):
            fleet.start_worker(concurrency=concurrency)
        stack.callback(fleet.stop_clock)
        fleet.start_clock()
        if supervised:
            stack.enter_context(every(LOOK_S, fleet.revive))
        # What frozen processes do with their last breath has nobody to wait for.
        stack.callback(lambda: [proxy.heal() for proxy in proxies.values()])
        yield fleet


def _judging(fleet: Fleet) -> Callable[..., None]:
    """Return what judges the run when it ends well, after the last process has stopped."""

    def judge(kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            fleet.audit_run().check()

    return judge


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
        # The whole suite passes with either: CALPATCH_TEST_DELIVERY=late make test
        "CALPATCH_DELIVERY": os.environ.get(f"{OURS}DELIVERY", "early"),
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


def _tokens(accounts: Path) -> list[str]:
    with accounts.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row[name] for row in rows for name in ("access_token", "refresh_token")]


def pause(seconds: float) -> None:
    """Wait between two looks at another process, for which there is no signal."""
    Event().wait(seconds)
