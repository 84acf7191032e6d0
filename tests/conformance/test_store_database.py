"""Transactions that contend are run again, and a database that fails is told in one clear line."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import StatementError

from tests.conformance.stores import S, an_account, execute, some_rows, states, submit
from worker.errors import SettingsError, StoreUnavailable
from worker.store import Database, Store, migrate
from worker.store.database import TRIES


@pytest.fixture
def opened() -> Iterator[list[Database]]:
    """Databases that a test opens by itself, closed at its end."""
    databases: list[Database] = []
    yield databases
    for database in databases:
        database.dispose()


def fault(database: Database, sql: str = "SELECT 1", **values: object) -> str:
    """Return what is said of a statement that fails; never the statement, values or password."""
    with pytest.raises(StoreUnavailable) as caught, database.begin() as connection:
        connection.execute(text(sql), values)
    whole = "".join(traceback.format_exception(caught.value))
    assert "canary" not in whole
    said = str(caught.value)
    assert "\n" not in said
    assert not any(word in said for word in ("SELECT", "INSERT", "UPDATE"))
    return said


# ---------------------------------------------------------------- running again


def raise_in_postgres(connection: Connection, code: str) -> None:
    """Fail as the database does with a code."""
    connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))


@pytest.mark.row(10)
@pytest.mark.postgres
@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_transaction_that_could_not_be_ordered_is_run_again(
    postgres_url: str, opened: list[Database], code: str
) -> None:
    """From its start, and not for ever (faults 10)."""
    opened.append(Database(postgres_url))
    tries: list[int] = []

    def work(connection: Connection, *, failures: int) -> str:
        tries.append(len(tries))
        if len(tries) <= failures:
            raise_in_postgres(connection, code)
        return "done"

    assert opened[0].run(lambda connection: work(connection, failures=TRIES - 1)) == "done"
    assert len(tries) == TRIES
    tries.clear()
    with pytest.raises(StoreUnavailable, match="could not order two transactions"):
        opened[0].run(lambda connection: work(connection, failures=99))
    assert len(tries) == TRIES


@pytest.mark.row(10)
@pytest.mark.postgres
def test_two_that_wait_for_each_other_both_get_through(
    postgres_url: str, opened: list[Database]
) -> None:
    """A real deadlock: PostgreSQL ends one of them, which is run again."""
    database = Database(postgres_url)
    opened.append(database)
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT n, 0 AS v FROM generate_series(1, 2) n"))
    both_hold_one = threading.Barrier(2, timeout=20)
    tries = []

    def work(first: int) -> None:
        def add(connection: Connection) -> None:
            tries.append(first)
            add_one = text("UPDATE t SET v = v + 1 WHERE n = :n")
            connection.execute(add_one, {"n": first})
            if len(tries) <= 2:
                both_hold_one.wait()
            connection.execute(add_one, {"n": 3 - first})

        database.run(add)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, [1, 2]))
    assert 3 <= len(tries) <= 2 * TRIES
    with database.read() as connection:
        assert connection.execute(text("SELECT min(v), max(v) FROM t")).one() == (2, 2)


def test_an_error_that_stays_is_not_tried_again(database: Database) -> None:
    """Only contention gets better by itself."""
    tries = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(StoreUnavailable):
        database.run(work)
    assert len(tries) == 1


def test_an_error_of_the_work_itself_undoes_it(store: Store) -> None:
    """It goes through as it is, once, and nothing is left."""

    def work(connection: Connection) -> None:
        connection.execute(text("INSERT INTO pulses VALUES ('clock', '2026-01-01 00:00:00')"))
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        store.database.run(work)
    assert store.queue.pulses() == {}


def test_a_locked_file_is_waited_for_and_then_told(
    sqlite_url: str, opened: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's editor holds the file; SQLite itself does the waiting."""
    monkeypatch.setattr("worker.store.database.SQLITE_BUSY_S", 0.05)
    opened += [Database(sqlite_url), Database(sqlite_url)]
    with opened[0].begin(), pytest.raises(StoreUnavailable, match="keeps the database file locked"):
        opened[1].run(lambda _: None)
    opened[1].run(lambda _: None)


def test_readers_and_a_writer_do_not_wait_for_each_other(store: Store) -> None:
    """WAL and snapshots: a long report stops no worker, and a writer no report."""
    submit(store, some_rows(3))
    with store.database.begin() as writer:
        writer.execute(text("UPDATE edits SET state = 'skipped'"))
        assert set(states_by_reading(store)) == {S.PENDING}
    assert set(states_by_reading(store)) == {S.SKIPPED}


def states_by_reading(store: Store) -> list[S]:
    """Return the states that a report sees."""
    return [one.state for one in store.reading.outcomes("c-june")]


def test_a_read_writes_nothing_and_sees_one_moment(store: Store) -> None:
    """Two statements of one report agree with each other."""
    submit(store)
    count = text("SELECT count(*) FROM edits WHERE state = 'pending'")
    with store.database.read() as reader:
        assert reader.execute(count).scalar_one() == 1
        execute(store, "UPDATE edits SET state = 'skipped'")
        assert reader.execute(count).scalar_one() == 1
    assert states(store)[2][0] is S.SKIPPED


# ---------------------------------------------------------------- what is said


def test_a_missing_folder_is_told(tmp_path: Path, opened: list[Database]) -> None:
    """SQLite makes files, not folders."""
    opened.append(Database(f"sqlite:///{tmp_path / 'missing' / 'calpatch.db'}"))
    assert fault(opened[0]) == (
        "The database file cannot be opened. Check that its folder exists and may be written"
    )


def test_an_unwritable_file_is_told(sqlite_url: str, opened: list[Database]) -> None:
    """Rights, or a disk mounted for reading only."""
    opened.append(Database(sqlite_url))
    migrate(opened[0])
    readonly = sqlite_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true"
    opened.append(Database(readonly))
    said = fault(opened[1], "INSERT INTO pulses VALUES ('canary', '')")
    assert said.startswith("The database file cannot be written. Check the rights")


def test_a_file_of_something_else_is_told(tmp_path: Path, opened: list[Database]) -> None:
    """A spreadsheet given as the database is not overwritten."""
    file = tmp_path / "june.csv"
    file.write_text("account,calendar_id\n" * 100)
    opened.append(Database(f"sqlite:///{file}"))
    assert fault(opened[0]).startswith("The database file is not a SQLite database")
    assert file.read_text().startswith("account,")


@pytest.mark.row(27)
def test_a_full_disk_is_told(sqlite_url: str, opened: list[Database]) -> None:
    """What was stored is safe, and work goes on when there is room (faults 27)."""
    database = Database(sqlite_url)
    opened.append(database)
    migrate(database)

    def work(connection: Connection) -> None:
        connection.execute(text("PRAGMA max_page_count = 1"))
        connection.execute(text("CREATE TABLE t AS SELECT zeroblob(1000000) AS canary"))

    with pytest.raises(StoreUnavailable, match="disk is full"):
        database.run(work)


@pytest.mark.row(9)
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "canary"}, 'password authentication failed for user "app"'),
        ({"username": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"port": 1}, "Connection refused"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told(
    postgres_url: str, opened: list[Database], change: dict[str, str], reason: str
) -> None:
    """Host, port, user and database are named; the password is not."""
    url = make_url(postgres_url).set(**change)  # type: ignore[arg-type]
    opened.append(Database(url.render_as_string(hide_password=False)))
    said = fault(opened[0])
    assert said.startswith("The database does not answer (")
    assert reason in said
    assert said.endswith("and that the database is up (`calpatch doctor`)")
    assert str(make_url(postgres_url).password) not in said


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(9), 'canary'", "took too long"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE canary (n int)", "takes no writes"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "The database does not answer"),
        ("SELECT CAST('{\"canary\": \"\\u0000\"}' AS jsonb) ->> 'canary'", "(22P05)"),
        ("SET LOCAL ROLE pg_monitor; SELECT * FROM pg_authid", "lacks a right"),
    ],
)
def test_what_postgres_refuses_is_told_without_the_row(
    postgres_url: str, opened: list[Database], sql: str, said: str
) -> None:
    """Its own words would quote values: event text and tokens (law 9)."""
    opened.append(Database(postgres_url))
    assert said in fault(opened[0], sql.replace(": ", r"\: "))


def test_sqlite_needs_no_driver_of_postgres() -> None:
    """Whoever has a file pays neither its memory nor its time, in each command."""
    look = "import sys, worker.store, worker.cli; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def kill_others(admin: Database) -> None:
    """Close all other connections to the database from its own side."""
    others = text(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with admin.begin() as connection:
        assert connection.execute(others).scalar_one() >= 1


@pytest.mark.row(9)
@pytest.mark.row(10)
@pytest.mark.postgres
def test_connections_that_died_are_replaced(postgres_url: str, opened: list[Database]) -> None:
    """After a restart or a failover the next transaction gets through, unaided."""
    opened += [Database(postgres_url), Database(postgres_url)]
    database, admin = opened
    migrate(database)
    kill_others(admin)
    assert Store(database).queue.pulses() == {}


@pytest.mark.postgres
@pytest.mark.parametrize("read_on", [True, False])
def test_a_connection_that_dies_in_the_middle_of_a_read_leaves_nothing_open(
    postgres_url: str, opened: list[Database], read_on: bool
) -> None:
    """Its cursor is closed too, whether the reader reads on or stops there."""
    database, admin = Database(postgres_url), Database(postgres_url)
    opened += [database, admin]

    def read() -> None:
        endless = text("SELECT n FROM generate_series(1, 100000) AS n")
        with (
            database.read() as connection,
            connection.execute(endless, execution_options={"yield_per": 100}) as rows,
        ):
            next(rows)
            kill_others(admin)
            if read_on:
                list(rows)

    with pytest.raises(StoreUnavailable):
        read()
    cursors = [each for each in gc.get_objects() if isinstance(each, psycopg.ServerCursor)]
    assert [each for each in cursors if not each.closed] == []


@pytest.mark.postgres
def test_a_lock_is_not_waited_for_for_ever(postgres_url: str, opened: list[Database]) -> None:
    """A forgotten session in a console must not stop all workers."""
    database = Database(postgres_url)
    opened.append(database)
    migrate(database)
    with database.begin() as first:
        first.execute(text("LOCK TABLE pulses"))
        said = fault(database, "SET LOCAL lock_timeout = 50; SELECT * FROM pulses")
    assert said.startswith("Another process has kept a row of the database locked")


def test_a_row_that_is_there_already_is_told_without_its_values(store: Store) -> None:
    """Ids of events are the owner's affair too."""
    execute(store, "INSERT INTO pulses VALUES ('canary', '2026-01-01 00:00:00.000000')")
    again = "INSERT INTO pulses VALUES (:name, '2026-01-01 00:00:00.000000')"
    said = fault(store.database, again, name="canary")
    assert said.startswith("The database refuses a row that contradicts another (")


def test_a_column_that_is_not_there_is_another_version(store: Store) -> None:
    """A migration is missing, or one too many was run."""
    said = fault(store.database, "SELECT canary_of_tomorrow FROM edits")
    assert said == (
        "The database's tables are of another version of calpatch. Run `calpatch migrate`"
    )


def test_tables_that_are_not_there_are_told(database_url: str, opened: list[Database]) -> None:
    """A fresh database, or another one than was meant."""
    opened.append(Database(database_url))
    said = "The database has no tables of calpatch. Run `calpatch migrate`"
    assert fault(opened[0], "SELECT * FROM edits") == said


def test_a_naive_time_is_not_stored(store: Store) -> None:
    """It would be read as another instant later."""
    naive = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - naive is the point
    with pytest.raises(StatementError, match="a time without a zone cannot be stored"):
        store.accounts.import_all([an_account(expires_at=naive)], actor="ada")
    assert store.accounts.subs() == set()


def test_a_statement_that_makes_no_sense_is_a_bug(store: Store) -> None:
    """It is told by its code, to be reported."""
    assert "refuses a statement" in fault(store.database, "SELEC 'canary'")


@pytest.mark.row(10)
def test_too_many_threads_are_told(sqlite_url: str, opened: list[Database]) -> None:
    """A pool that is empty for half a minute is a setting, not a fault."""
    database = Database(sqlite_url)
    opened.append(database)
    database.engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    held = [database.engine.connect() for _ in range(15)]
    with pytest.raises(StoreUnavailable, match="All connections to the database are in use"):
        database.run(lambda _: None)
    for connection in held:
        connection.close()


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not a database URL"),
        ("calpatch.db", "is not a database URL"),
        ("postgresql://app:canary@host:canary/db", "is not a database URL"),
        ("mysql://app:canary@host/db", "names mysql, which is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_be_is_refused_by_name(url: str, said: str) -> None:
    """The setting is named and the two forms that work; a password in it is not quoted."""
    with pytest.raises(SettingsError) as caught:
        Database(url)
    assert said in str(caught.value)
    assert str(caught.value).endswith("Use sqlite:///FILE or postgresql://user@host/db")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_the_driver_is_ours_to_choose(scheme: str) -> None:
    """Whatever the URL names (DESIGN §7); its own options are kept."""
    database = Database(f"{scheme}://app@host/db?sslmode=require&options=-csearch_path%3Dcal")
    assert database.url.drivername == "postgresql+psycopg"
    assert database.url.query["sslmode"] == "require"
    assert database.file is None


@pytest.mark.postgres
def test_a_urls_options_are_kept_beside_ours(postgres_url: str, opened: list[Database]) -> None:
    """A schema of one's own is chosen by the URL."""
    opened.append(Database(f"{postgres_url}?options=-csearch_path%3Dpg_temp"))
    with opened[0].read() as connection:
        shown = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("search_path", "statement_timeout", "timezone", "application_name")
        ]
    assert shown == ["pg_temp", "1min", "UTC", "calpatch"]


# ---------------------------------------------------------------- the rest


def test_an_intent_survives_a_power_cut(sqlite_url: str, opened: list[Database]) -> None:
    """WAL with every commit on the disk: a lost intent would be resolved anew (laws 3, 5)."""
    opened.append(Database(sqlite_url))
    with opened[0].read() as connection:
        shown = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous")
        ]
    assert shown == ["wal", 2]


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and by name, not by a syntax error in the middle."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    with pytest.raises(SettingsError, match=r"too old; 3\.38 or newer"):
        Database("sqlite:///calpatch.db")


def test_a_disposed_database_leaves_nothing_open(database: Database) -> None:
    """Not even a connection that would be complained about when memory is collected."""
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    database.dispose()
    gc.collect()
    with database.read() as connection:  # and it may be used again
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize("column", ["a b", "x; DROP TABLE edits", "X"])
def test_only_our_own_words_become_sql(database: Database, column: str) -> None:
    """A list's columns are written into the statement."""
    with pytest.raises(ValueError, match="not a column"):
        database.records({column: "text"})
    with pytest.raises(ValueError, match="not a column"):
        database.records({"name": "text; --"})


@pytest.mark.row(20)
def test_the_clock_is_the_databases(database: Database) -> None:
    """It is aware, and what lies between two looks is not negative."""
    with database.read() as connection:
        first, second = database.now_in(connection), database.now_in(connection)
    assert first.tzinfo is not None
    assert first <= second


@pytest.mark.row(22)
def test_a_frozen_writer_gives_back_its_locks_soon(
    postgres_url: str, opened: list[Database]
) -> None:
    """A worker frozen amid a transaction keeps no other from its rows for minutes; readers may."""
    opened.append(Database(postgres_url))
    asked = "SHOW idle_in_transaction_session_timeout"
    with opened[-1].begin() as connection:
        assert connection.exec_driver_sql(asked).scalar_one() == "15s"
        opened[-1].be_patient(connection)
        assert connection.exec_driver_sql(asked).scalar_one() == "15min"
    with opened[-1].read() as connection:
        assert connection.exec_driver_sql(asked).scalar_one() == "10min"
