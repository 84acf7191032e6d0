"""Judging an input as a whole; its edits are in its spool then, ready to be stored.

The file is read once, from its start, and no rows are kept in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import assert_never

from msgspec import json

from worker.intake.bulk import BulkReader
from worker.intake.csv_file import CsvFile
from worker.intake.edit import EditReader
from worker.intake.jsonl_file import NAMES, JsonlFile
from worker.intake.lines import Lines
from worker.intake.problems import CellError, Problems, refused
from worker.intake.row import Lot, Row
from worker.intake.source import Format, Input, Source
from worker.model import EventKey, Patch
from worker.store import Spool, Twin, cells_of

#: rows; a week of calls at the usual limit
MOST_ROWS = 10_000_000

_patch = json.Decoder(Patch).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in an input without problems.

    `digest` names the meaning of the file: the edits in their order, with hints and refs. Comments,
    blank lines, line ends, quoting, the order of columns and the format do not matter to it.
    """

    source: Source
    rows: int
    #: edits by account, most edits first
    accounts: Mapping[str, int]
    digest: str
    #: rows without a date_hint or expect_start, which cost reading a whole window
    unhinted: int
    #: rows that ask what an earlier row asks for the same event
    duplicates: int
    first_hint: date | None
    last_hint: date | None


def check(
    opened: Input,
    *,
    accounts: Collection[str] | None,
    max_problems: int = 100,
    max_rows: int = MOST_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Checked:
    """Reads the whole file into the input's spool; raises InvalidInput with all its problems.

    `accounts` are those that are known, None takes any. Of the problems the first `max_problems`
    are kept. `progress` is told how many bytes have been read.
    """
    found = Problems(max_problems)
    tally, spool = _Tally(), opened.spool
    spool.clear()
    lines = Lines(opened.stream, found=found, progress=progress)
    edits = _edits(lines, opened.format, found=found, accounts=accounts)
    for lot in edits:
        tally.add(lot)
        if tally.rows > max_rows:
            raise refused(f"more than {max_rows:,} edits; split the file")
        spool.add_columns(lot.columns)
    duplicates = spool.mark(_repeats(spool, found))
    found.refuse()
    if not tally.rows:
        raise refused("no edits; below the header there are only comments or blank lines")
    source = Source(name=opened.name, format=opened.format, columns=edits.columns)
    return tally.checked(source, duplicates=duplicates)


def rows(opened: Input) -> Iterator[Row]:
    """Gives the edits of an input that has been checked, in order.

    A row without a hint has the day that its event is expected on, if any.
    """
    for line_no, account, calendar_id, uid, hint, ref, patch, cells, *_, repeats in opened.spool:
        yield Row(
            line_no=line_no,
            account=account,
            key=EventKey(calendar_id, uid),
            patch=_patch(patch),
            hint=date.fromisoformat(hint) if hint else None,
            ref=ref,
            cells=cells_of(cells, (account, calendar_id, uid, ref)),
            duplicate_of=repeats or None,
        )


def _edits(
    lines: Lines, format_: Format, *, found: Problems, accounts: Collection[str] | None
) -> CsvFile | JsonlFile:
    bulk = BulkReader(accounts=accounts)
    match format_:
        case "csv":
            reader = EditReader(found, accounts=accounts)
            return CsvFile(lines, found=found, reader=reader, bulk=bulk)
        case "jsonl":
            reader = EditReader(found, accounts=accounts, names=NAMES)
            return JsonlFile(lines, found=found, reader=reader, bulk=bulk)
        case "yaml":
            raise refused(
                "a campaign in YAML selects its events instead of listing edits; plan it first"
            )
    assert_never(format_)


def _repeats(spool: Spool, found: Problems) -> Iterator[Twin]:
    """Gives the rows that repeat others, and takes down contradictions when all have been given.

    Two lines that ask different things of one event: which wins would be chance.
    """
    clashes, more = list[tuple[int, int, str]](), 0
    for twin in spool.twins():
        if twin.same:
            yield twin
            continue
        clashes.append((twin.line_no, twin.first, twin.event_uid))
        if len(clashes) > 2 * found.limit:
            clashes.sort()
            more += len(clashes) - found.limit
            del clashes[found.limit :]
    found.begin_again()
    for line_no, first, event_uid in sorted(clashes):
        error = CellError(
            f"line {first} asks something else for the same event", step="keep one of the two"
        )
        found.note(error, line=line_no, column="event_uid", value=event_uid)
    found.count += more


class _Tally:
    """Counts rows, and takes the digest of what they mean."""

    def __init__(self) -> None:
        self.rows = 0
        self._unhinted = 0
        self._accounts: Counter[str] = Counter()
        self._first: str | None = None
        self._last: str | None = None
        self._sum = sha256()

    def add(self, lot: Lot) -> None:
        hints = lot.columns.hint
        self.rows += len(hints)
        self._accounts.update(lot.columns.account)
        self._sum.update(lot.meaning)
        self._unhinted += hints.count(None)
        days = {day for day in {*hints} if day}
        self._first = min(days | {self._first} if self._first else days, default=None)
        self._last = max(days | {self._last} if self._last else days, default=None)

    def checked(self, source: Source, *, duplicates: int) -> Checked:
        return Checked(
            source=source,
            rows=self.rows,
            accounts=dict(self._accounts.most_common()),
            digest=self._sum.hexdigest(),
            unhinted=self._unhinted,
            duplicates=duplicates,
            first_hint=date.fromisoformat(self._first) if self._first else None,
            last_hint=date.fromisoformat(self._last) if self._last else None,
        )
