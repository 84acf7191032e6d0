"""Connections, transactions and the database's own clock, for SQLite and PostgreSQL.

SQLite takes its write lock at the start (BEGIN IMMEDIATE): a transaction that reads first and
writes later fails under load otherwise, busy timeout or not (565 of 800 did, measured). No
transaction may span an API call.
"""

from __future__ import annotations

import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.elements import ColumnElement

from worker import points
from worker.errors import SettingsError, StoreUnavailable
from worker.store.faults import Contended, translated
from worker.store.tables import UtcTime

#: How long a SQLite writer waits for another one, in seconds: a submission of a million lines
#: holds the file for some ten.
SQLITE_BUSY_S = 60
#: How long a PostgreSQL statement may run, in seconds: a lost lock never stops a worker for good.
STATEMENT_TIMEOUT_S = 60
#: How long a PostgreSQL statement may wait for a lock, in seconds.
LOCK_TIMEOUT_S = 20
#: The same two for a submission, of which one statement may touch a million rows.
PATIENT_TIMEOUT_S = 900
#: How long a transaction that writes may do nothing, in seconds: so a worker that is frozen in the
#: middle of one gives back its locks before the next one has to wait for long (row B22).
IDLE_TIMEOUT_S = 15
#: The same for one that only reads, and locks nothing: whoever reads from us may be slow.
IDLE_READER_TIMEOUT_S = 600
#: How often a transaction is run before its contention is told.
TRIES = 4
#: The longest wait before the second try, in seconds; one more for each further one.
PAUSE_S = 0.05
#: `->>` of JSON is the youngest thing we ask of SQLite.
OLDEST_SQLITE = (3, 38)

_FORMS = "Use sqlite:///FILE or postgresql://user@host/db"
#: The first half of our advisory locks' keys, so that they meet nobody else's ("calp" in ASCII).
_LOCK_SPACE = 0x63616C70

T = TypeVar("T")


class Database:
    """An engine and what differs between the two databases."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        #: calpatch before 0004 writes here as well: it keeps no heads of the accounts' chains
        self.older_beside = False
        self.url = _driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgres(self.url, pool_size)
        self._reader = (
            self.engine if self.is_sqlite else self.engine.execution_options(**_ONE_SNAPSHOT)
        )

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, again from the start when the database could not order it.

        The work has no effect outside of the transaction, since it may run several times.
        """
        for tried in range(1, TRIES):
            try:
                with self.begin() as connection:
                    return work(connection)
            except Contended:
                # Apart from the other one, which would win the same race again otherwise.
                threading.Event().wait(random.uniform(0, PAUSE_S * tried))  # noqa: S311 - jitter
        with self.begin() as connection:
            return work(connection)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction; commit at the end, roll back on any error."""
        with _transaction(self.engine, begin=self._begins("IMMEDIATE")) as connection:
            yield connection
            points.reach("commit.before")
        points.reach("commit.after")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads: one snapshot, and no lock however long it streams."""
        with _transaction(self._reader, begin=self._begins("DEFERRED")) as connection:
            self._set_local(
                connection, IDLE_READER_TIMEOUT_S, "idle_in_transaction_session_timeout"
            )
            yield connection

    def _begins(self, kind: str) -> str:
        """Return what begins a transaction in SQLite, whose driver would wait for a first write."""
        return f"BEGIN {kind}" if self.is_sqlite else ""

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps the data; None for PostgreSQL."""
        return Path(self.url.database or "") if self.is_sqlite else None

    # ------------------------------------------------------------ locks

    def lock(self, connection: Connection, name: str) -> None:
        """Hold a named lock until the transaction ends; in SQLite a writer is alone anyway."""
        if not self.is_sqlite:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))"),
                {"space": _LOCK_SPACE, "name": name},
            )

    def be_patient(self, connection: Connection) -> None:
        """Let this transaction's statements take long, and wait long for locks."""
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        self._set_local(connection, PATIENT_TIMEOUT_S, *names)

    def _set_local(self, connection: Connection, seconds: int, *names: str) -> None:
        if not self.is_sqlite:
            for name in names:
                connection.execute(text(f"SET LOCAL {name} = '{seconds}s'"))

    @property
    def for_update(self) -> str:
        """SQL that locks the rows of a SELECT until the transaction ends."""
        return "" if self.is_sqlite else " FOR UPDATE"

    def skip_locked(self, alias: str) -> str:
        """Return SQL that locks the rows of a SELECT and leaves out those that others hold."""
        return "" if self.is_sqlite else f" FOR UPDATE OF {alias} SKIP LOCKED"

    # ------------------------------------------------------------ the clock

    def now(self) -> ColumnElement[datetime]:
        """Return the database's clock as an expression, the only clock leases go by (law 8)."""
        if self.is_sqlite:
            return func.strftime("%Y-%m-%d %H:%M:%f000", "now", type_=UtcTime())
        return func.clock_timestamp(type_=UtcTime())

    @property
    def now_sql(self) -> str:
        """The same clock for text statements."""
        return "strftime('%Y-%m-%d %H:%M:%f000', 'now')" if self.is_sqlite else "clock_timestamp()"

    def later_sql(self, name: str) -> str:
        """Return SQL for the clock plus the seconds in parameter `name`."""
        if self.is_sqlite:
            seconds = f"printf('%+.3f seconds', :{name})"
            return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds})"
        return f"clock_timestamp() + make_interval(secs => CAST(:{name} AS double precision))"

    def age_sql(self, column: str) -> str:
        """Return SQL for the seconds since the time in `column`; negative when yet to come."""
        if self.is_sqlite:
            return f"((julianday('now') - julianday({column})) * 86400.0)"
        return f"CAST(extract(epoch FROM clock_timestamp() - {column}) AS double precision)"

    def now_in(self, connection: Connection) -> datetime:
        """Return the database's time."""
        return connection.execute(select(self.now())).scalar_one()

    # ------------------------------------------------------------ lists

    def records(self, columns: dict[str, str]) -> str:
        """Return SQL that reads the JSON list in parameter `rows` as a table `v` of these columns.

        One parameter for any number of rows: one statement whatever the batch, on both databases.
        """
        for name, kind in columns.items():  # they become SQL: only our own words may
            if not re.fullmatch(r"[a-z_]+", name) or kind not in {"integer", "text", "boolean"}:
                raise ValueError(f"not a column: {name}")
        if self.is_sqlite:
            picked = ", ".join(f"value ->> '{name}' AS {name}" for name in columns)
            # The limit is none, but has the list read once and not once per row (7 x faster).
            return f"(SELECT {picked} FROM json_each(:rows) LIMIT -1) AS v"
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS v({typed})"

    def for_each(
        self,
        connection: Connection,
        rows: Sequence[Sequence[object]],
        *,
        columns: dict[str, str],
        one: str,
        joint: str,
        shared: dict[str, str] | None = None,
    ) -> int:
        """Do the same for each of many rows, in one call; returns how many rows were written.

        SQLite runs `one` for each row, with a ? for each column and then for each shared value: its
        own way of many rows costs half of a list in JSON. PostgreSQL runs `joint` once, over
        `records(columns)`, with the shared values by name.
        """
        shared = shared or {}
        if self.is_sqlite:
            ends = tuple(shared.values())
            done = connection.exec_driver_sql(one, [(*row, *ends) for row in rows])
        else:
            named = [dict(zip(columns, row, strict=True)) for row in rows]
            values = shared | {"rows": msgspec.json.encode(named).decode()}
            done = connection.execute(text(joint), values)
        return done.rowcount


_ONE_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@contextmanager
def _transaction(engine: Engine, *, begin: str) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            if begin:
                connection.exec_driver_sql(begin)
            yield connection
    except PoolTimeout:
        raise StoreUnavailable(
            "All connections to the database are in use", next_step="Run fewer worker threads"
        ) from None
    except DBAPIError as broken:
        # The cause would bring the row's values into every traceback (law 9).
        raise translated(broken) from None


def _driver_url(url: str) -> URL:
    """Turn a plain URL into one with our driver: which one serves is ours to choose (DESIGN §7)."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):  # their words may hold a part of the password
        raise SettingsError(
            "CALPATCH_DATABASE_URL is not a database URL", next_step=_FORMS
        ) from None
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SettingsError(
            f"CALPATCH_DATABASE_URL names {backend}, which is not supported", next_step=_FORMS
        )
    if parsed.database in {None, "", ":memory:"}:
        raise SettingsError(
            "CALPATCH_DATABASE_URL names no file; a database in memory cannot be shared",
            next_step=_FORMS,
        )
    return parsed.set(drivername="sqlite")


def _sqlite(url: URL) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise SettingsError(
            f"SQLite {sqlite3.sqlite_version} is too old; 3.38 or newer is needed",
            next_step="Use a newer Python, or postgresql://user@host/db",
        )
    # No check for one thread: the pool hands a connection to one thread at a time itself.
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_S, "check_same_thread": False},
    )

    # At the pool: an engine with listeners makes a dispatcher for each connection it opens.
    @event.listens_for(engine.pool, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin ourselves, below
        # FULL: an intent must survive a power cut, or a shift would be resolved anew (laws 3, 5).
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def _postgres(url: URL, pool_size: int) -> Engine:
    given = url.query.get("options", "")
    own = given if isinstance(given, str) else " ".join(given)
    timeouts = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c lock_timeout={LOCK_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_S}s"
    )
    chosen = {
        "connect_timeout": 5,
        "application_name": "calpatch",
        # A host that vanished is noticed within a minute, not after the system's two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
        connect_args={name: value for name, value in chosen.items() if name not in url.query}
        | {"options": f"{own} {timeouts} -c timezone=UTC".strip()},
    )

    # Here, by the database that needs it: 9 MB, and a fifth of the time that a command takes.
    from worker.store.cursors import ClosingCursor

    @event.listens_for(engine.pool, "connect")
    def _cursors(connection: Any, _record: Any) -> None:
        connection.server_cursor_factory = ClosingCursor

    return engine
