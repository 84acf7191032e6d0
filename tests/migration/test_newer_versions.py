"""Old code on the schema of newer one: it goes on, and may be started again, where that says so."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from tests.conformance.stores import KEYRING, S, run_to, some_rows, submit
from tests.unit.cli.commands import Shell, complete_settings
from tests.world import a_world
from worker.errors import StoreUnavailable
from worker.store import Database, Store, migrate, require_schema, versions
from worker.store.schema import migrations_folder, revisions

pytestmark = pytest.mark.row(26)

HEAD = revisions()[-1]
NEXT = f"{int(HEAD) + 1:04}"

#: A migration as a later version may bring one: it only expands, unless it says otherwise.
MIGRATION = '''"""What a later version needs."""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade():
    colour = sa.Column("colour{revision}", sa.String(9), server_default="red", nullable=False)
    op.add_column("edits", colour)
    op.add_column("campaigns", sa.Column("mood{revision}", sa.String(9)))
    op.create_table("colours{revision}", sa.Column("name", sa.String(9), primary_key=True))
    {row}


def downgrade():
    op.drop_table("colours{revision}")
'''
ROW = "op.execute(\"INSERT INTO schema_versions (revision, oldest_code) VALUES ('{0}', '{1}')\")"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Each database in turn, empty."""
    database = Database(database_url)
    yield database
    database.dispose()


class Later:
    """A calpatch of a later version, as far as its migrations go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "later"
        shutil.copytree(migrations_folder(), self.folder)

    def add(self, revision: str = NEXT, *, before: str = HEAD, oldest_code: str | None) -> None:
        """Add a migration; `oldest_code` None writes nothing about who may use it."""
        row = ROW.format(revision, oldest_code) if oldest_code else "pass"
        script = MIGRATION.format(revision=revision, before=before, row=row)
        (self.folder / "versions" / f"{revision}_expand_later.py").write_text(script)

    def migrate(self, database: Database) -> tuple[str | None, str | None]:
        """Bring a database up."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("worker.store.schema.migrations_folder", lambda: self.folder)
            return migrate(database)


@pytest.fixture
def later(tmp_path: Path) -> Later:
    """The later version, without a migration of its own yet."""
    return Later(tmp_path)


def test_each_migration_says_what_the_oldest_code_is(database: Database) -> None:
    """From the one on that made the table; who forgets it locks all older code out."""
    migrate(database)
    with database.read() as connection:
        sql = text("SELECT revision, oldest_code FROM schema_versions ORDER BY revision")
        found = dict(tuple(row) for row in connection.execute(sql))
    assert list(found) == [one for one in revisions() if one >= "0004"]
    assert all(oldest <= revision for revision, oldest in found.items())


def test_a_newer_database_that_admits_this_code_is_used(database: Database, later: Later) -> None:
    """A worker may be started again after the migration of a version that is not there yet."""
    migrate(database)
    later.add(oldest_code=HEAD)
    assert later.migrate(database) == (HEAD, NEXT)
    require_schema(database)
    assert versions(database) == (NEXT, HEAD)
    store = Store(database, keyring=KEYRING)
    submit(store, some_rows(3))
    run_to(store, "c-june.1", S.VERIFIED)
    assert [one.state for one in store.reading.outcomes("c-june")] == [S.VERIFIED] * 3
    assert store.audit.verify()[1] == []


def test_several_versions_on_it_is_still_used(database: Database, later: Later) -> None:
    """What counts is the last version's word."""
    after = f"{int(NEXT) + 1:04}"
    later.add(oldest_code=HEAD)
    later.add(after, before=NEXT, oldest_code=HEAD)
    later.migrate(database)
    require_schema(database)
    assert versions(database)[0] == after


def test_migrating_a_newer_database_leaves_it_as_it_is(database: Database, later: Later) -> None:
    """Old containers run `migrate` when they start."""
    later.add(oldest_code=HEAD)
    later.migrate(database)
    assert migrate(database) == (NEXT, NEXT)
    with database.read() as connection:
        assert inspect(connection).has_table(f"colours{NEXT}")


@pytest.mark.parametrize(
    ("oldest_code", "said"),
    [
        (NEXT, f"needs a calpatch of version {NEXT} or newer, and this one has version {HEAD}"),
        (None, "which this calpatch does not know"),
    ],
)
def test_a_newer_database_that_does_not_is_left_alone(
    database: Database, later: Later, oldest_code: str | None, said: str
) -> None:
    """With both versions in the one line, and nobody is sent to migrate."""
    later.add(oldest_code=oldest_code)
    later.migrate(database)
    for way in (require_schema, migrate):
        with pytest.raises(StoreUnavailable, match=said) as caught:
            way(database)
        assert "Use the calpatch that migrated it" in str(caught.value)
        assert "calpatch migrate" not in str(caught.value)


async def test_a_campaign_runs_while_a_later_version_migrates(
    database_url: str, later: Later
) -> None:
    """Nothing is lost, nothing twice, and who starts afterwards takes part."""
    later.add(oldest_code=HEAD)
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(200):
            world.add_event(number)
        campaigns = [
            world.submit(range(half, half + 100), key=f"k{half}", chunk_size=10)
            for half in (0, 100)
        ]
        migrated: list[tuple[str | None, str | None]] = []

        async def upgrade() -> None:
            other = Database(database_url)
            migrated.append(await asyncio.to_thread(later.migrate, other))
            other.dispose()

        await world.step()
        assert world.sim.writes
        upgrading = asyncio.create_task(upgrade())
        first = await world.drain(campaigns[0])
        await upgrading
        restarted = Database(database_url)
        require_schema(restarted)
        restarted.dispose()
        second = await world.drain(campaigns[1])

        assert migrated == [(HEAD, NEXT)]
        assert {*first.values(), *second.values()} == {("verified", "verified")}
        assert all(world.writes_to(number) == 1 for number in range(200))
        world.audit_run()


def test_the_command_says_what_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    later: Later,
) -> None:
    """`migrate` and `migrate --check` on a database of a later version."""
    shell = Shell(tmp_path, monkeypatch, capsys, complete_settings())
    shell("migrate")
    later.add(oldest_code=HEAD)
    database = Database(shell.url)
    later.migrate(database)
    database.dispose()
    assert shell("migrate").out == f"already up to date: {NEXT}\n"
    checked = shell("migrate", "--check")
    assert (checked.code, checked.out) == (
        0,
        f"the database has {NEXT}, this version needs {HEAD}\n",
    )
    assert shell("list", "--json").json == []
