"""The spool: checked lines on their way into the database, in a private file of their own.

Whatever takes long is done here before a transaction begins: lines are counted, those that name an
event again are found, and chunks are cut. Memory stays flat, since SQLite sorts on disk. The file
is in the temporary folder, readable by its owner alone, and goes when the spool is closed.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from worker.errors import StoreUnavailable
from worker.model import Code
from worker.store.values import EditRow

#: lines that go in or out at a time: few enough to keep, and to be interrupted in between
BATCH: Final = 2_000
#: lines that are looked at by Python, at a time
_FEW: Final = 500
#: what the spool keeps in memory and sorts there, in KiB
_CACHE_KIB: Final = 4_096
#: bytes; large ones are read in order with fewer calls
_PAGE: Final = 16_384

#: `repeats` is the line that this one repeats, `code` why the database will not have it.
#: `turn` sorts by account, day and calendar.
_TABLE = """
CREATE TABLE spooled (n INTEGER PRIMARY KEY, line_no, account, calendar_id, event_uid, hint, ref,
  patch, cells, change_digest, relative, repeats, event_hash, place_hash, turn, code, prior_target)
"""
_ADD = f"INSERT INTO spooled VALUES (NULL, {', '.join('?' * 14)}, NULL, NULL)"

_ROWS = """
SELECT line_no, account, calendar_id, event_uid, hint, ref, patch, cells, change_digest, relative,
  repeats FROM spooled ORDER BY n
"""

_FORGET = f"""
UPDATE spooled SET code = nullif(code, '{Code.ALREADY_IN_CAMPAIGN}'), prior_target = NULL
WHERE code IS NOT NULL OR prior_target IS NOT NULL
"""

_SUSPECTS = """
CREATE TEMP TABLE suspects AS SELECT event_hash FROM spooled GROUP BY event_hash HAVING count(*) > 1
"""
_ALIKE = """
SELECT n, line_no, account, calendar_id, event_uid, change_digest FROM spooled
WHERE event_hash IN suspects ORDER BY event_hash, n
"""

# Of `turn`, from the left: the account's number, the day (all ones: none), some of the calendar.
_DAY_BITS: Final = 22
_CALENDAR_BITS: Final = 18
ACCOUNT_SHIFT: Final = _DAY_BITS + _CALENDAR_BITS
_NO_DAY: Final = (1 << _DAY_BITS) - 1

_eight = Struct(">q8x8x8x").unpack


class SpoolColumns(NamedTuple):
    """Lines by columns, each as `EditRow` has it: made and taken several times as fast as rows."""

    line_no: Sequence[int]
    account: Sequence[str]
    calendar_id: Sequence[str]
    event_uid: Sequence[str]
    hint: Sequence[str | None]
    ref: Sequence[str]
    patch: Sequence[str]
    cells: Sequence[str]
    change_digest: Sequence[str]
    relative: Sequence[bool]
    #: the line that is repeated; any other number than 0 marks one that is
    repeats: Sequence[int]


class Twin(NamedTuple):
    """A line that names an event which an earlier one has named; `same` asks the same of it."""

    n: int
    line_no: int
    first: int
    event_uid: str
    same: bool


def event_hash(event_uid: str) -> int:
    """Return 64 bits of SHA-256: events are looked up by it, and then compared by their texts."""
    hashed: int = _eight(sha256(event_uid.encode()).digest())[0]
    return hashed


def place_hash(account: str, calendar_id: str) -> int:
    """Return 64 bits that name a calendar of an account."""
    hashed: int = _eight(sha256(f"{account}\0{calendar_id}".encode()).digest())[0]
    return hashed


class Spool:
    """Lines in the order they came, numbered from 1 as `n`. One thread's at a time."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="calpatch-", ignore_cleanup_errors=True)
        self._connection = _opened(self.file)
        self._close = weakref.finalize(self, _closed, self._connection, self._folder)
        self._places = _Places()
        self._days = _Days()
        self._was_tried = False
        self.count = 0

    @property
    def file(self) -> Path:
        """Where the lines are, for a database that can read them there."""
        return Path(self._folder.name) / "spool.db"

    @property
    def accounts(self) -> list[str]:
        """The accounts by their numbers: in the order in which lines first named them."""
        return self._places.accounts

    def cursor(self) -> sqlite3.Cursor:
        """Return what runs statements on the spool."""
        return self._connection.cursor()

    def close(self) -> None:
        """Delete the file; may be called again."""
        self._close()

    def clear(self) -> None:
        """Forget all lines."""
        if self.count:
            with faults():
                self._connection.execute("DELETE FROM spooled")
            self._places, self.count = _Places(), 0

    def add(self, rows: Iterable[EditRow]) -> None:
        """Append lines, any number of them."""
        lines = iter(rows)
        while batch := list(islice(lines, BATCH)):
            self.add_columns(SpoolColumns(*zip(*batch, strict=True)))

    def add_columns(self, columns: SpoolColumns) -> None:
        """Append lines, a few thousand at a time."""
        events = [_eight(sha256(uid.encode()).digest())[0] for uid in columns.event_uid]
        named = zip(columns.account, columns.calendar_id, strict=True)
        places = [self._places[place] for place in named]
        days = map(self._days.__getitem__, columns.hint)
        turns = [turn | day for (_, turn), day in zip(places, days, strict=True)]
        hashes = [place for place, _ in places]
        self._do_many(_ADD, zip(*columns, events, hashes, turns, strict=True))
        self.count += len(turns)

    # ------------------------------------------------------------ lines that repeat others

    def twins(self) -> Iterator[Twin]:
        """Give every line whose event has been named before, in no order of lines."""
        with faults():
            self._connection.execute("DROP TABLE IF EXISTS suspects")
            self._connection.execute(_SUSPECTS)
            if not self._connection.execute("SELECT count(*) FROM suspects").fetchone()[0]:
                return
            yield from _twins(self._connection.execute(_ALIKE))

    def mark(self, twins: Iterable[Twin]) -> int:
        """Have these lines stored as repeating another; returns how many they are."""
        marked, source = 0, iter(twins)
        while batch := [(twin.first, twin.n) for twin in islice(source, BATCH)]:
            self._do_many("UPDATE spooled SET repeats = ? WHERE n = ? AND repeats = 0", batch)
            marked += len(batch)
        return marked

    def keep(self, count: int, *, seed: str = "") -> int:
        """Have only so many lines carried out, the first ones or (with a seed) some of all.

        The others end as not attempted. Returns how many those are.
        """
        chosen = "SELECT n FROM spooled WHERE repeats = 0 AND code IS NULL ORDER BY"
        self._connection.create_function("drawn", 1, partial(_drawn, seed), deterministic=True)
        order = "drawn(n)" if seed else "n"
        with faults(), self._connection:
            self._connection.execute("BEGIN")
            left = self._connection.execute(
                f"UPDATE spooled SET code = '{Code.BEYOND_LIMIT}' WHERE repeats = 0"
                f" AND code IS NULL AND n NOT IN ({chosen} {order} LIMIT ?)",
                (count,),
            )
            return left.rowcount

    def _do_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        # A transaction for each row would write a page for each.
        with faults(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(sql, rows)

    def begin_storing(self) -> None:
        """Forget what another attempt has found out about other campaigns' edits."""
        if self._was_tried:
            self._do_many(_FORGET, [()])
        self._was_tried = True

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Give the lines as they came, with the line that each repeats or 0 in the last place."""
        with faults():
            cursor = self._connection.execute(_ROWS)
            # Not the cursor itself: a reader that stops would close that of a closed spool.
            while rows := cursor.fetchmany(_FEW):
                yield from rows


@contextmanager
def faults() -> Iterator[None]:
    """Say that the temporary folder is full or gone, without what a statement held (law 9)."""
    try:
        yield
    except sqlite3.OperationalError as broken:
        reason = getattr(broken, "sqlite_errorname", "") or "unknown"
        raise StoreUnavailable(
            f"The temporary file for the lines cannot be used ({reason})",
            next_step="Make room in the temporary folder, or name another one in TMPDIR",
        ) from None


def _drawn(seed: str, n: int) -> bytes:
    return sha256(f"{seed} {n}".encode()).digest()


def _opened(file: Path) -> sqlite3.Connection:
    file.touch(mode=0o600)  # in a folder that is its owner's alone
    # Nobody needs the file after a crash: no journal, and nothing is forced to the disk.
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for pragma in (
        f"page_size = {_PAGE}",
        "journal_mode = OFF",
        "synchronous = OFF",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    with faults():
        connection.execute(_TABLE)
    return connection


def _closed(connection: sqlite3.Connection, folder: TemporaryDirectory[str]) -> None:
    connection.close()
    folder.cleanup()


def _twins(alike: Iterable[Sequence[Any]]) -> Iterator[Twin]:
    """Compare by the texts themselves: a hash may be shared by strangers."""
    firsts: dict[tuple[str, str, str], tuple[int, str]] = {}
    hashed: int | None = None
    for n, line_no, account, calendar_id, uid, change in alike:
        if (now := event_hash(uid)) != hashed:
            firsts, hashed = {}, now
        first, asked = firsts.setdefault((account, calendar_id, uid), (line_no, change))
        if first != line_no:
            yield Twin(n, line_no, first, uid, asked == change)


class _Places(dict[tuple[str, str], tuple[int, int]]):
    """By account and calendar: the hash of the place, and the place's part of `turn`."""

    #: entries; more cost their hashing again, not more memory
    MOST: Final = 65_536

    def __init__(self) -> None:
        super().__init__()
        self._accounts: dict[str, int] = {}

    @property
    def accounts(self) -> list[str]:
        return [*self._accounts]

    def __missing__(self, place: tuple[str, str]) -> tuple[int, int]:
        if len(self) >= self.MOST:
            self.clear()
        account = self._accounts.setdefault(place[0], len(self._accounts))
        hashed = place_hash(*place)
        near = hashed & ((1 << _CALENDAR_BITS) - 1)
        self[place] = found = (hashed, account << ACCOUNT_SHIFT | near)
        return found


class _Days(dict[str | None, int]):
    """By an ISO date: the day's part of `turn`; lines without one come last."""

    def __missing__(self, day: str | None) -> int:
        number = date.fromisoformat(day).toordinal() if day is not None else _NO_DAY
        self[day] = found = number << _CALENDAR_BITS
        return found
