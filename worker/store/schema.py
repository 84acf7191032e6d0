"""Bringing a database to the schema of this version, and telling whether this code may use it.

From 0004 on migrations expand first and contract later, and each writes into `schema_versions` what
the oldest code is that may use its version. So workers go on, and may be started again, while a
newer calpatch has already migrated: the database itself says whether they may.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from worker.errors import StoreUnavailable
from worker.store.database import Database

if TYPE_CHECKING:  # loaded where tables are changed: a worker only asks for the version (11 MB)
    from alembic.config import Config

_MIGRATE = "Run `calpatch migrate`"


def migrations_folder() -> Path:
    """Return where the migrations are: inside the installed package, or a checkout's root."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def migrate(database: Database, *, revision: str = "head") -> tuple[str | None, str | None]:
    """Upgrade to `revision`; returns the versions before and after.

    Safe to run at any time and by several at once: one migrates, the others find it done. A newer
    database that this code may use stays as it is.
    """

    from alembic import command

    def work(connection: Connection) -> tuple[str | None, str | None]:
        database.lock(connection, "migrate")
        before = _current(connection)
        if _is_newer(connection, before):
            return before, before
        command.upgrade(_config(connection), revision)
        return before, _current(connection)

    _make_private(database.file)
    return database.run(work)


def downgrade(database: Database, *, revision: str) -> None:
    """Take migrations back down to `revision` ("base": all of them)."""

    from alembic import command

    def work(connection: Connection) -> None:
        database.lock(connection, "migrate")
        _known(_current(connection))
        command.downgrade(_config(connection), revision)

    database.run(work)


def versions(database: Database) -> tuple[str | None, str | None]:
    """Return the version the database has and the one this code needs."""
    needed = revisions()[-1]
    file = database.file
    if file is not None and file.parent.is_dir() and not file.exists():
        return None, needed  # to look into it would leave an empty file behind
    with database.read() as connection:
        return _current(connection), needed


def require_schema(database: Database) -> None:
    """Raise StoreUnavailable unless this code may use the database's tables.

    They are this version's, or a newer one's that says so.
    """
    current, needed = versions(database)
    if current is None:
        raise StoreUnavailable("The database has no tables of calpatch", next_step=_MIGRATE)
    with database.read() as connection:
        is_newer = _is_newer(connection, current)
    if current != needed and not is_newer:
        raise StoreUnavailable(
            f"The database has version {current}, and this calpatch needs version {needed}",
            next_step=_MIGRATE,
        )


def _make_private(file: Path | None) -> None:
    """Make a new file that only its owner can read: it will hold calendars and sealed tokens."""
    if file is not None:
        with suppress(OSError):  # SQLite says better what is wrong with the folder
            file.touch(mode=0o600)


def revisions() -> list[str]:
    """Return the versions that our migrations make, oldest first: their files' names begin so."""
    return sorted(path.name[:4] for path in (migrations_folder() / "versions").glob("[0-9]*.py"))


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    heads = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
    return ", ".join(sorted(heads)) or None


def _is_newer(connection: Connection, version: str | None) -> bool:
    """Tell whether a newer calpatch has migrated the database, and says that this one may use it.

    Raises StoreUnavailable when it says that this one may not, and for a database not of ours.
    """
    known = revisions()
    if version is None or version in known:
        return False
    oldest = _oldest_code(connection, version)
    if oldest is None:
        _known(version)
    elif oldest not in known:
        raise StoreUnavailable(
            f"The database has version {version}, which needs a calpatch of version {oldest} or"
            f" newer, and this one has version {known[-1]}",
            next_step="Use the calpatch that migrated it",
        )
    return True


def _oldest_code(connection: Connection, version: str) -> str | None:
    """Return the revision of the oldest code that may use a version; None when nobody says."""
    if not inspect(connection).has_table("schema_versions"):
        return None
    sql = text("SELECT oldest_code FROM schema_versions WHERE revision = :version")
    found: str | None = connection.execute(sql, {"version": version}).scalar_one_or_none()
    return found


def _known(version: str | None) -> str | None:
    """Refuse a version that none of our migrations has: those tables are not ours to change."""
    if version is not None and version not in revisions():
        raise StoreUnavailable(
            f"The database has version {version}, which this calpatch does not know",
            next_step="Use the calpatch that migrated it, or give calpatch a database of its own",
        )
    return version


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
