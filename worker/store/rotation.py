"""What is sealed with a key of the vault, wherever it is: found by key, and sealed anew in batches.

The store never opens a value: each begins with the id of its key (`worker.tokens.vault`), which is
all that SQL looks at. A table with sealed values is one more line in `SEALED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from worker.store.chains import note_named
from worker.store.database import Database
from worker.store.values import Note

#: bytes of a sealed value that name its key
ID_LENGTH = 8
#: the audit's chain of what is done to the vault
CHAIN = "vault"


class SealedTable(NamedTuple):
    """A table with sealed values: its key's column, and the columns that hold them."""

    name: str
    key: str
    columns: tuple[str, ...]


SEALED = (
    SealedTable("accounts", "sub", ("access_token", "refresh_token")),
    SealedTable("image_keys", "account", ("sealed",)),
)


class SealedRow(NamedTuple):
    """The sealed values of one row, in the order of its table's columns; None where there is none.

    Never shown: a sealed value is of no use without its key, but of no use in a log either.
    """

    key: str
    values: tuple[bytes | None, ...]

    def __repr__(self) -> str:
        return f"SealedRow({self.key!r}, …)"


class Rotation:
    """Every statement about sealed values as such."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[bytes, int]:
        """Return how many values each key has sealed, by the first bytes of the values."""
        found: dict[bytes, int] = {}
        with self._database.read() as connection:
            for table in SEALED:
                for column in table.columns:
                    sql = (
                        f"SELECT substr({column}, 1, {ID_LENGTH}) AS key_id, count(*) AS number"
                        f" FROM {table.name} WHERE {column} IS NOT NULL GROUP BY 1"
                    )
                    for row in connection.execute(text(sql)):
                        key_id = bytes(row.key_id)
                        found[key_id] = found.get(key_id, 0) + row.number
        return found

    def under_others(
        self, table: SealedTable, key_id: bytes, *, after: str, limit: int
    ) -> list[SealedRow]:
        """Return rows with a value under another key than this one, by name, behind `after`."""
        other = " OR ".join(f"substr({each}, 1, {ID_LENGTH}) <> :id" for each in table.columns)
        sql = (
            f"SELECT {table.key}, {', '.join(table.columns)} FROM {table.name}"
            f" WHERE {table.key} > :after AND ({other}) ORDER BY {table.key} LIMIT :limit"
        )
        with self._database.read() as connection:
            rows = connection.execute(text(sql), {"id": key_id, "after": after, "limit": limit})
            return [
                SealedRow(key, tuple(None if each is None else bytes(each) for each in values))
                for key, *values in rows
            ]

    def swap(
        self,
        table: SealedTable,
        changes: Sequence[tuple[SealedRow, SealedRow]],
        *,
        actor: str,
        key_id: str,
    ) -> int:
        """Put new values in the place of old ones, and count the rows; audited with them.

        A row that has other values by now stays: whoever wrote them knew better, and they may be
        tokens without which the account is lost.
        """
        names = range(len(table.columns))
        places = ", ".join(f"{table.columns[n]} = :new{n}" for n in names)
        # NULLs too are compared: an absent value that is there by now is another value.
        is_same = "IS" if self._database.is_sqlite else "IS NOT DISTINCT FROM"
        same = " AND ".join(f"{table.columns[n]} {is_same} :old{n}" for n in names)
        sql = text(f"UPDATE {table.name} SET {places} WHERE {table.key} = :key AND {same}")

        def work(connection: Connection) -> int:
            done = 0
            for old, new in changes:
                values = {f"old{n}": old.values[n] for n in names}
                values |= {f"new{n}": new.values[n] for n in names}
                done += connection.execute(sql, values | {"key": old.key}).rowcount
            if done:
                detail = {"table": table.name, "rows": done, "key": key_id}
                note = Note(actor=actor, action="vault.rotated", detail=detail)
                note_named(self._database, connection, notes=[note], chain=CHAIN)
            return done

        return self._database.run(work)
