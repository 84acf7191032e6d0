"""What every suite stands on: no foreign servers, real servers of our own, steady properties.

Servers start once per process and only when a test asks for them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
import redis
import structlog
from hypothesis import HealthCheck, settings

from worker.embedded import PostgresServer, ValkeyServer, postgres_server, valkey_server

TESTS = Path(__file__).parent
#: folders of tests that count for no coverage
UNMEASURED = frozenset({"faults"})
#: the ports of Redis, PostgreSQL and RabbitMQ: a server there belongs to somebody else
STANDARD_PORTS = frozenset({6379, 5432, 5672})
FOREIGN = ("PG", "REDIS", "CELERY_", "DATABASE_", "CALPATCH_")
#: settings of the tests themselves, such as another server binary
OURS = "CALPATCH_TEST_"

for _name in list(os.environ):
    if _name.startswith(FOREIGN) and not _name.startswith(OURS):
        del os.environ[_name]

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Have coverage look away from tests that go over the same lines thousands of times.

    The simulation takes twice as long with it, and others cover what must be, one case each.
    """
    measured = coverage.Coverage.current()
    if measured is None or item.path.relative_to(TESTS).parts[0] not in UNMEASURED:
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Have each test begin without the logging that a command of the one before has set up."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def _refuse_foreign(address: Any) -> None:
    """Raises unless the address is a loopback port of our own, or a path."""
    if not isinstance(address, tuple):
        return
    host, port = address[0], address[1]
    if not (host in {"localhost", "::1"} or str(host).startswith("127.")):
        raise AssertionError(f"a test wants to reach {host}: tests stay on the loopback")
    if port in STANDARD_PORTS:
        raise AssertionError(f"a test wants port {port}: that server is not ours")


def _guarded_connect(self: socket.socket, address: Any, /) -> None:
    _refuse_foreign(address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any, /) -> int:
    _refuse_foreign(address)
    return _connect_ex(self, address)


socket.socket.connect = _guarded_connect  # type: ignore[assignment, method-assign]
socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[assignment, method-assign]


#: whom the code under test is to Redis: the user of a deployment, with no right more than that
ACL = Path(__file__).parents[1] / "deploy" / "redis-acl.conf"


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey that all tests of this process share; do not kill this one, start your own."""
    with valkey_server(acl=ACL) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests of this process share; do not kill this one, start your own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The shared Valkey, emptied, for the user of deploy/redis-acl.conf (see `valkey.url`)."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.user_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'calpatch.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A fresh, empty PostgreSQL database."""
    return postgres.create_database()


@pytest.fixture(
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
    ]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """Each database in turn, empty and unmigrated."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url
