"""A migrated store on each database in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from worker.store import Database, Store, migrate


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Each database in turn, migrated."""
    database = Database(database_url)
    migrate(database)
    yield database
    database.dispose()


@pytest.fixture
def store(database: Database) -> Store:
    """A store that holds nothing yet."""
    return Store(database)
