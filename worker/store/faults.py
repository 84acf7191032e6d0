"""What goes wrong in a database, as errors of ours: one line, the next step, nothing of the row.

Drivers quote statements, parameters and values in their messages, which are event text and tokens
(law 9). So a message is ours, by error code; only of a connection that failed are the driver's own
words kept, since they name nothing but host, port, user and database.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError

from worker.errors import StoreUnavailable

_CHECK = "Check CALPATCH_DATABASE_URL and that the database is up (`calpatch doctor`)"
_MIGRATE = "Run `calpatch migrate`"
_LATER = "Try again; whatever was stored is safe"
_SPACE = "Make room and try again; whatever was stored is safe"
_REPORT = "Please report this: the statement and the code are calpatch's own"


class Contended(StoreUnavailable):
    """Raised when the transaction would succeed if it was run again from the start."""


_MISSING = ("The database has no tables of calpatch", _MIGRATE)
_OTHER_VERSION = ("The database's tables are of another version of calpatch", _MIGRATE)
_FULL = ("The database's disk is full", _SPACE)

#: SQLite's primary result codes (sqlite.org/rescode.html).
_SQLITE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_READONLY: (
        "The database file cannot be written",
        "Check the rights of the file and of its folder",
    ),
    sqlite3.SQLITE_IOERR: ("The database file cannot be read or written", "Check its disk"),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: (
        "The database file cannot be opened",
        "Check that its folder exists and may be written",
    ),
    sqlite3.SQLITE_CORRUPT: ("The database file is damaged", "Restore it from a backup"),
    sqlite3.SQLITE_NOTADB: (
        "The database file is not a SQLite database",
        "Check CALPATCH_DATABASE_URL",
    ),
}

#: PostgreSQL's SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRES: dict[str, tuple[str, str]] = {
    "25006": ("The database takes no writes: it is a replica, or was set read-only", _CHECK),
    "42501": (
        "The database user lacks a right to calpatch's tables",
        "Grant the user the tables, or run `calpatch migrate` as their owner",
    ),
    "42703": _OTHER_VERSION,
    "42P01": _MISSING,
    "42P07": (
        "The database already has a table of that name, which calpatch did not make",
        "Give calpatch a database of its own",
    ),
    "53100": _FULL,
    "55P03": ("Another process has kept a row of the database locked for too long", _LATER),
    "57014": ("The database took too long over a statement", _LATER),
}


def translated(broken: DBAPIError) -> StoreUnavailable:
    """Say what is wrong in one line, without the statement and its parameters."""
    match broken.orig:
        case sqlite3.Error() as error:
            return _of_sqlite(error)
        case error:
            return _of_postgres(error)


def _of_sqlite(error: sqlite3.Error) -> StoreUnavailable:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Contended("Another program keeps the database file locked", next_step=_LATER)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return _clash(str(getattr(error, "sqlite_errorname", code)))
    if found := _SQLITE.get(code):
        return StoreUnavailable(found[0], next_step=found[1])
    said = str(error)  # of a statement it names tables and columns, which are ours
    if said.startswith("no such table"):
        return StoreUnavailable(_MISSING[0], next_step=_MISSING[1])
    if said.startswith("no such column") or "has no column" in said:
        return StoreUnavailable(_OTHER_VERSION[0], next_step=_OTHER_VERSION[1])
    if said.endswith("already exists"):
        text, step = _POSTGRES["42P07"]
        return StoreUnavailable(text, next_step=step)
    return _refused(str(getattr(error, "sqlite_errorname", type(error).__name__)))


def _of_postgres(error: Any) -> StoreUnavailable:
    code = getattr(error, "sqlstate", None)
    if code in {"40001", "40P01"}:
        return Contended("The database could not order two transactions", next_step=_LATER)
    if code is not None and code.startswith("23"):
        return _clash(code)
    if code in _POSTGRES:
        text, step = _POSTGRES[code]
        return StoreUnavailable(text, next_step=step)
    # A failed connection has no code, or one of class 08, 28, 3D, 53 or 57.
    if _is_of_connection(error):
        return StoreUnavailable(
            f"The database does not answer ({_reason(str(error))})", next_step=_CHECK
        )
    return _refused(code or type(error).__name__)


def _is_of_connection(error: Any) -> bool:
    code = getattr(error, "sqlstate", None)
    if code is not None:
        return str(code)[:2] in {"08", "28", "3D", "53", "57"}
    return type(error).__name__ in {"OperationalError", "ConnectionTimeout", "InterfaceError"}


def _clash(code: str) -> StoreUnavailable:
    """A row that is there already: the next try sees it, and then goes another way."""
    return Contended(f"The database refuses a row that contradicts another ({code})")


def _refused(code: str) -> StoreUnavailable:
    return StoreUnavailable(f"The database refuses a statement ({code})", next_step=_REPORT)


def _reason(said: str) -> str:
    """Return the last reason that a driver gives: with several addresses it lists one for each."""
    lines = [line.strip(" -\t") for line in said.strip().splitlines()]
    reasons = [line for line in lines if "failed: " in line] or lines[:1] or ["no reason given"]
    found = re.sub(r".*connection failed: ", "", reasons[-1])
    return re.sub(r"\s+", " ", found)[:200]
