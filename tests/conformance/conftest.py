"""A migrated store on each database in turn.

Migrated once per process and copied for each test: half a second saved each time.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.conformance.stores import KEYRING
from worker.embedded import PostgresServer
from worker.store import Database, Store, migrate


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "template.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_name(postgres: PostgresServer) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    url = postgres.create_database()
    _migrate(url)
    return str(make_url(url).database)


@pytest.fixture(
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
    ]
)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Each database in turn, migrated."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "calpatch.db")
        url = f"sqlite:///{tmp_path / 'calpatch.db'}"
    else:
        template = request.getfixturevalue("migrated_name")
        url = _copied(request.getfixturevalue("postgres"), template)
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def store(database: Database) -> Store:
    """A store that holds nothing yet."""
    return Store(database, keyring=KEYRING)


def _migrate(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.dispose()


def _copied(server: PostgresServer, template: str) -> str:
    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        # No checkpoint before and after it, as a copy of the files would need.
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    return server.url(name)
