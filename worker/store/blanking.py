"""Taking data away for good: in batches that anybody may interrupt, and out of the files' bytes.

A batch is a transaction of its own, so that workers wait for none for long; what has been done
stays done, and to begin again finds the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from worker.errors import StoreUnavailable
from worker.store.database import Database
from worker.store.faults import translated

#: lines at a time: a few hundredths of a second
BATCH = 2_000

#: PostgreSQL's tables that are rewritten at once: a large one would be locked for long.
_SMALL = ("accounts", "image_keys")


def in_batches(
    database: Database,
    campaign_id: str,
    change: str,
    *,
    where: str,
    values: dict[str, Any] | None = None,
) -> int:
    """Do `change` (UPDATE … SET or DELETE) to a campaign's edits of a kind; returns how many."""
    count, after = 0, -1
    while True:
        bound = (values or {}) | {"campaign": campaign_id, "after": after}
        last, done = database.run(_batch(database, change, where=where, values=bound))
        if last is None:
            return count
        count, after = count + done, last


def _batch(
    database: Database, change: str, *, where: str, values: dict[str, Any]
) -> Callable[[Connection], tuple[int | None, int]]:
    here = f"campaign_id = :campaign AND line_no > :after AND {where}"
    lines = f"SELECT line_no FROM edits WHERE {here} ORDER BY line_no LIMIT {BATCH}"

    def work(connection: Connection) -> tuple[int | None, int]:
        wiping(database, connection)
        look = text(f"SELECT max(line_no) FROM ({lines}) AS batch")
        last = connection.execute(look, values).scalar_one()
        if last is None:
            return None, 0
        sql = text(f"{change} WHERE {here} AND line_no <= :last")
        return last, connection.execute(sql, values | {"last": last}).rowcount

    return work


def wiping(database: Database, connection: Connection) -> None:
    """Have SQLite write zeros over what this connection takes away, as far as it knows the place.

    What was moved within the file before is in other places: `compact` alone sees to all of it.
    """
    if database.is_sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete = ON").close()


def compact(database: Database) -> None:
    """Have the database's files forget what was taken away.

    SQLite: the file is written anew and its journal emptied, so that no byte is left; writers wait
    meanwhile, and room for a second copy is needed. Raises StoreUnavailable when a reader does not
    let go; to erase again does only this then.

    PostgreSQL: what was taken away stays in the pages of its files until they are written over, and
    in the write-ahead log; no query shows it. The small tables are rewritten here, the keys of
    images among them: what is left of sealed images in the large one cannot be opened. Plain texts
    of the input go from the bytes with `VACUUM FULL edits` in a quiet hour, which locks the table.

    No database reaches into its backups, dumps and archived logs: they hold what they held until
    they are deleted. After a restore, erase again.
    """
    way = _compact_sqlite if database.is_sqlite else _compact_postgres
    try:
        with database.engine.connect() as connection:
            way(connection)
    except DBAPIError as broken:
        raise translated(broken) from None


def _compact_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("VACUUM")
    is_busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if is_busy:
        raise StoreUnavailable(
            "A long read keeps the database's journal from being emptied",
            next_step="Run the same command again when it is over",
        )


def _compact_postgres(connection: Connection) -> None:
    plain = connection.execution_options(isolation_level="AUTOCOMMIT")
    plain.exec_driver_sql("SET statement_timeout = 0")  # edits may be many
    try:
        plain.exec_driver_sql(f"VACUUM (FULL) {', '.join(_SMALL)}")
        plain.exec_driver_sql("VACUUM edits")
    finally:
        plain.exec_driver_sql("RESET statement_timeout")
