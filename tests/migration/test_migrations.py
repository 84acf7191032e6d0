"""Migrations: up from nothing, down again, up with data in place, by several at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from tests.builders import an_image
from tests.conformance.stores import (
    KEYRING,
    S,
    a_row,
    bring,
    claim,
    run_to,
    some_rows,
    states,
    submit,
)
from worker.errors import StoreUnavailable
from worker.store import Database, Store, migrate, require_schema, versions
from worker.store.schema import downgrade, migrations_folder, revisions
from worker.store.tables import metadata

HEAD = "0005"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Each database in turn, empty."""
    database = Database(database_url)
    yield database
    database.dispose()


def tables(database: Database) -> set[str]:
    """Return the names of the tables."""
    with database.read() as connection:
        return set(inspect(connection).get_table_names())


def scripts() -> ScriptDirectory:
    """Return the migrations as Alembic sees them."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return ScriptDirectory.from_config(config)


def test_there_is_one_head() -> None:
    """Two branches would leave it to chance which one a deployment gets."""
    assert scripts().get_heads() == [HEAD]


def test_the_files_are_named_by_their_revisions() -> None:
    """Workers go by the names, and do not load what makes the tables."""
    assert revisions() == sorted(one.revision for one in scripts().walk_revisions())


def test_every_migration_says_what_kind_it_is() -> None:
    """Expand, backfill or contract: old and new code both run on the middle schema."""
    for script in scripts().walk_revisions():
        name = Path(script.path).stem
        assert name.split("_")[0] == script.revision
        assert name.split("_")[1] in {"expand", "backfill", "contract"}


def test_up_from_nothing(database: Database) -> None:
    """All tables are there, and the versions before and after are told."""
    assert versions(database) == (None, HEAD)
    assert migrate(database) == (None, HEAD)
    assert tables(database) == set(metadata.tables) | {"alembic_version"}
    assert versions(database) == (HEAD, HEAD)
    require_schema(database)


def test_up_again_changes_nothing(database: Database) -> None:
    """`migrate` may be run at every start."""
    migrate(database)
    assert migrate(database) == (HEAD, HEAD)


def test_what_migrations_make_is_what_the_code_asks(database: Database) -> None:
    """Tables, columns, types, defaults and indexes, on both databases."""
    migrate(database)
    with database.begin() as connection:
        # Alembic takes SQLite's '' for another default than ours; the migration is the same one.
        options = {"compare_type": True, "compare_server_default": not database.is_sqlite}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_partial_indexes_are_partial(database: Database) -> None:
    """Alembic compares no conditions; a whole unique index would forbid a second edit for ever."""
    migrate(database)
    with database.read() as connection:
        made = {index["name"]: index for index in inspect(connection).get_indexes("edits")}
        chunks = {index["name"]: index for index in inspect(connection).get_indexes("chunks")}
    dialect = "sqlite" if database.is_sqlite else "postgresql"
    active = str(made["ux_edits_active"]["dialect_options"][f"{dialect}_where"])
    ended = str(made["ix_edits_event"]["dialect_options"][f"{dialect}_where"])
    for state in ("pending", "sending", "accepted"):
        assert f"'{state}'" in active
        assert f"'{state}'" in ended
    assert "pending" in str(chunks["ix_chunks_turn"]["dialect_options"][f"{dialect}_where"])


def test_down_to_nothing_and_up_again(database: Database) -> None:
    """Nothing is left that would stand in the way, triggers and functions included."""
    migrate(database)
    downgrade(database, revision="base")
    assert tables(database) == {"alembic_version"}
    assert versions(database)[0] is None
    assert migrate(database) == (None, HEAD)
    store = Store(database)
    submit(store, some_rows(2))
    assert store.audit.verify() == (1, [])


def test_down_and_up_with_data_in_place(database: Database) -> None:
    """A campaign that has ended is in nobody's way, and neither is its guarded audit."""
    migrate(database)
    store = Store(database)
    submit(store, some_rows(2))
    run_to(store, "c-june.1", S.VERIFIED)
    assert migrate(database) == (HEAD, HEAD)
    assert set(states(store).values()) == {(S.VERIFIED, "")}
    downgrade(database, revision="base")
    migrate(database)
    assert store.campaigns.newest() == []


def test_chunks_get_their_turns_with_data_in_place(database: Database) -> None:
    """Their numbers are those in their ids; what an open edit needs to read is looked up."""
    migrate(database, revision="0001")
    with database.begin() as connection:
        for statement in _OLD_ROWS:
            connection.execute(text(statement.replace("NOW", database.now_sql)))
    migrate(database, revision="0002")
    with database.read() as connection:
        sql = "SELECT id, number, reads_all FROM chunks ORDER BY number, id"
        found = [(row.id, row.number, bool(row.reads_all)) for row in connection.execute(text(sql))]
    assert found == [
        ("odd", 0, False),
        ("c_1.1", 1, False),
        ("c_1.2", 2, True),
        ("c_1.3", 3, False),
        ("c_1.10", 10, False),
    ]
    migrate(database)
    due = Store(database).queue.take_due(window=10, resend_after_s=60)
    assert [chunk_id for _, chunk_id in due.chunks] == ["c_1.1", "c_1.2", "c_1.10"]
    downgrade(database, revision="0001")
    with database.read() as connection:
        names = {index["name"] for index in inspect(connection).get_indexes("chunks")}
        columns = {column["name"] for column in inspect(connection).get_columns("chunks")}
    assert names == {"ix_chunks_account", "ix_chunks_campaign", "ix_chunks_open"}
    assert not columns & {"number", "reads_all"}


#: A campaign as version 0001 has it: edits without a date that are open, that are not, and with.
_OLD_ROWS = (
    (
        "INSERT INTO campaigns (id, key, digest, kind, state, reason, owner, lane, policy, source,"
        " columns, total, submitted_at) VALUES ('c_1', 'k', 'd', 'direct', 'running', 'r', 'o',"
        " 'bulk', '{}', 's', '[]', 5, NOW)"
    ),
    (
        "INSERT INTO chunks (id, campaign_id, account, size, state) VALUES"
        " ('c_1.1', 'c_1', 'a', 1, 'pending'), ('c_1.2', 'c_1', 'b', 2, 'pending'),"
        " ('c_1.3', 'c_1', 'c', 1, 'done'), ('c_1.10', 'c_1', 'd', 1, 'pending'),"
        " ('odd', 'c_0', 'd', 1, 'done')"
    ),
    (
        "INSERT INTO edits (campaign_id, line_no, chunk_id, account, calendar_id, event_uid, hint,"
        " patch, cells, change_digest, state) VALUES"
        " ('c_1', 2, 'c_1.1', 'a', 'l', 'e2', '2026-06-02', '{}', '[]', 'd', 'pending'),"
        " ('c_1', 3, 'c_1.2', 'b', 'l', 'e3', NULL, '{}', '[]', 'd', 'sending'),"
        " ('c_1', 4, 'c_1.2', 'b', 'l', 'e4', '2026-06-02', '{}', '[]', 'd', 'pending'),"
        " ('c_1', 5, 'c_1.3', 'c', 'l', 'e5', NULL, '{}', '[]', 'd', 'verified'),"
        " ('c_1', 6, 'c_1.10', 'd', 'l', 'e6', NULL, '{}', '[]', 'd', 'skipped')"
    ),
)


def test_edits_of_before_are_found_by_their_hashes(database: Database) -> None:
    """An open edit of an old campaign still holds its event, on either database."""
    migrate(database)
    store = Store(database)
    submit(store, [a_row(2, account="é", calendar_id="cal 💥"), *some_rows(3)[1:]])
    hashes = "SELECT event_hash, place_hash FROM edits ORDER BY line_no"
    with database.read() as connection:
        before = connection.execute(text(hashes)).all()
    downgrade(database, revision="0002")
    assert migrate(database) == ("0002", HEAD)
    with database.read() as connection:
        assert connection.execute(text(hashes)).all() == before
    again = submit(store, [a_row(2, account="é", calendar_id="cal 💥")], key="july")
    assert states(store, again.id)[2] == (S.SKIPPED, "already_in_campaign")


def test_images_of_before_are_read_as_they_are(database: Database) -> None:
    """A campaign that an older version began goes on, and what it wrote next is sealed."""
    migrate(database, revision="0002")
    with database.begin() as connection:
        for statement in _OLD_ROWS:
            connection.execute(text(statement.replace("NOW", database.now_sql)))
    migrate(database, revision="0003")
    with database.begin() as connection:
        image = msgspec.json.encode(an_image()).decode()
        sql = "UPDATE edits SET before = :image, target = :image, prior_target = :image"
        connection.execute(text(f"{sql} WHERE line_no = 3"), {"image": image})
    assert migrate(database) == ("0003", HEAD)
    store = Store(database, keyring=KEYRING)
    held = store.chunks.claim("c_1.2", owner="w", lease_s=60)
    assert held is not None
    edit = held.edits[0]
    assert (edit.before, edit.target, edit.prior_target) == (an_image(),) * 3


def test_going_down_waits_for_open_edits_with_sealed_images(database: Database) -> None:
    """The older version cannot read their targets, and would resolve their shifts anew (law 3)."""
    migrate(database)
    store = Store(database, keyring=KEYRING)
    submit(store, some_rows(2))
    bring(store, claim(store), S.SENDING)
    with pytest.raises(StoreUnavailable, match="sealed images") as caught:
        downgrade(database, revision="0003")
    assert "calpatch list --state running" in str(caught.value)
    assert versions(database) == (HEAD, HEAD)


def test_going_down_forgets_what_is_sealed(database: Database) -> None:
    """What is plain stays; what only this version reads is blank to the older one."""
    migrate(database)
    store = Store(database, keyring=KEYRING)
    submit(Store(database), some_rows(1), key="plain")
    run_to(Store(database), "c-plain.1", S.VERIFIED)
    submit(store, [a_row(9)])
    run_to(store, "c-june.1", S.VERIFIED)
    downgrade(database, revision="0003")
    assert not tables(database) & {"image_keys", "schema_versions", "chain_heads"}
    with database.read() as connection:
        sql = text("SELECT target FROM edits ORDER BY line_no")
        plain, sealed = connection.execute(sql).scalars()
    assert str(plain).startswith("{")
    assert sealed is None
    assert migrate(database) == ("0003", HEAD)
    assert store.audit.verify()[1] == []


def test_several_at_once_migrate_once(database_url: str) -> None:
    """Every worker of a deployment may start with it."""
    databases = [Database(database_url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(migrate, databases))
    assert sorted(found, key=str) == [(HEAD, HEAD)] * 5 + [(None, HEAD)]
    for database in databases:
        database.dispose()


def test_a_migration_that_breaks_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing: a table in the way of the last one undoes the first ones."""
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE calls (n integer)"))
    with pytest.raises(StoreUnavailable, match="which calpatch did not make") as caught:
        migrate(database)
    assert "CREATE" not in str(caught.value)
    assert tables(database) <= {"calls", "alembic_version"}
    assert versions(database)[0] is None


# ---------------------------------------------------------------- not ours


def test_a_database_without_tables_is_told(database: Database) -> None:
    """With what to do about it."""
    with pytest.raises(StoreUnavailable) as caught:
        require_schema(database)
    assert str(caught.value) == "The database has no tables of calpatch. Run `calpatch migrate`"


def test_looking_leaves_no_file_behind(sqlite_url: str) -> None:
    """A command in the wrong folder does not make a database there."""
    database = Database(sqlite_url)
    with pytest.raises(StoreUnavailable):
        require_schema(database)
    assert database.file is not None
    assert not database.file.exists()


def test_a_new_file_is_its_owners(sqlite_url: str) -> None:
    """Calendars are in it, and its journal is as private as itself; an old file's rights stay."""
    database = Database(sqlite_url)
    migrate(database)
    assert database.file is not None
    with database.begin():
        files = list(database.file.parent.glob("calpatch.db*"))
        assert len(files) > 1
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    database.file.chmod(0o640)
    migrate(database)
    assert database.file.stat().st_mode & 0o777 == 0o640
    database.dispose()


@pytest.mark.parametrize("theirs", [["9999"], ["1975ea83b712", "27c6a30d7c24"]])
def test_a_database_of_another_program_is_left_alone(database: Database, theirs: list[str]) -> None:
    """Or of a newer calpatch: neither is ours to change."""
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
        for version in theirs:
            connection.execute(text(f"INSERT INTO alembic_version VALUES ('{version}')"))
    for way in (migrate, require_schema, lambda one: downgrade(one, revision="base")):
        with pytest.raises(StoreUnavailable, match="which this calpatch does not know") as caught:
            way(database)
        assert ", ".join(theirs) in str(caught.value)
    assert tables(database) == {"alembic_version"}


def test_an_older_schema_is_told_with_both_versions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that forgot to migrate says so before it works."""
    migrate(database)
    monkeypatch.setattr("worker.store.schema.revisions", lambda: [HEAD, "9999"])
    with pytest.raises(StoreUnavailable) as caught:
        require_schema(database)
    assert str(caught.value) == (
        f"The database has version {HEAD}, and this calpatch needs version 9999."
        " Run `calpatch migrate`"
    )


def test_alembic_alone_says_how_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """The migrations know no address of their own."""
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with pytest.raises(SystemExit, match="Run `calpatch migrate`"):
        command.upgrade(config, "head")
