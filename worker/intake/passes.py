"""The two passes over an input: `check` judges it as a whole, `rows` gives its edits.

Both read the file from its start and keep no rows. What grows with the file is the index of
events in the first pass, about 140 bytes a row.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import assert_never

from msgspec.structs import replace as changed

from worker.errors import InvalidInput
from worker.intake.csv_file import CsvFile
from worker.intake.edit import EditReader
from worker.intake.jsonl_file import NAMES, JsonlFile
from worker.intake.lines import Lines
from worker.intake.problems import CellError, Problems, refused
from worker.intake.row import Row, change_digest, event_digest
from worker.intake.source import Format, Input, Source

#: rows; a week of calls at the usual limit, and 1.4 GB of index
MOST_ROWS = 10_000_000

_CHANGE_BITS = 64
_CHANGE_MASK = (1 << _CHANGE_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the first pass found in an input without problems.

    `digest` names the meaning of the file: the edits in their order, with hints and refs. Comments,
    blank lines, line ends, quoting, the order of columns and the format do not matter to it.
    """

    source: Source
    rows: int
    #: edits by account, most edits first
    accounts: Mapping[str, int]
    digest: str
    #: rows without a date_hint, which cost reading a whole window
    unhinted: int
    #: rows that ask what an earlier row asks for the same event
    duplicates: int
    first_hint: date | None
    last_hint: date | None
    #: sha256 of the bytes: that the second pass reads the same file
    content: bytes = field(repr=False, compare=False)
    #: the lines of those rows, in order, and the lines of the rows that they repeat
    repeats: tuple[array[int], array[int]] = field(repr=False, compare=False)


def check(
    opened: Input,
    *,
    accounts: Collection[str] | None,
    max_problems: int = 100,
    max_rows: int = MOST_ROWS,
) -> Checked:
    """Reads the whole file, and raises InvalidInput with its problems if it has any.

    `accounts` are those that are known, None takes any. Of the problems the first `max_problems`
    are kept.
    """
    found = Problems(max_problems)
    tally, index = _Tally(), _Index(found)
    lines = Lines(opened.stream, found=found)
    edits = _edits(lines, opened.format, found=found, accounts=accounts)
    for row in edits:
        change = change_digest(row)
        tally.add(row, change)
        index.add(row, change)
        if tally.rows > max_rows:
            raise refused(f"more than {max_rows:,} edits; split the file")
    found.refuse()
    if not tally.rows:
        raise refused("no edits; below the header there are only comments or blank lines")
    source = Source(name=opened.name, format=opened.format, columns=edits.columns)
    return tally.checked(source, index=index, content=lines.digest())


def rows(opened: Input, checked: Checked) -> Iterator[Row]:
    """Reads the file again and gives its edits, in order.

    Raises InvalidInput when the file is not the one that was checked. That is certain only after
    the last row: what was made of the rows must not be kept then.
    """
    found = Problems(limit=0)
    lines = Lines(opened.stream, found=found)
    repeats = zip(*checked.repeats, strict=True)
    repeat = next(repeats, None)
    try:
        for row in _edits(lines, opened.format, found=found, accounts=None):
            if repeat is not None and repeat[0] == row.line_no:
                yield changed(row, duplicate_of=repeat[1])
                repeat = next(repeats, None)
            else:
                yield row
    except InvalidInput as error:
        raise _has_changed() from error
    if lines.digest() != checked.content:
        raise _has_changed()


def _edits(
    lines: Lines, format_: Format, *, found: Problems, accounts: Collection[str] | None
) -> CsvFile | JsonlFile:
    match format_:
        case "csv":
            reader = EditReader(found, accounts=accounts)
            return CsvFile(lines, found=found, reader=reader)
        case "jsonl":
            reader = EditReader(found, accounts=accounts, names=NAMES)
            return JsonlFile(lines, found=found, reader=reader)
    assert_never(format_)


def _has_changed() -> InvalidInput:
    return refused("the file has changed since it was checked; submit it again when it is complete")


class _Tally:
    """Counts rows, and takes the digest of what they mean."""

    def __init__(self) -> None:
        self.rows = 0
        self._unhinted = 0
        self._accounts: Counter[str] = Counter()
        self._first: date | None = None
        self._last: date | None = None
        self._sum = sha256()

    def add(self, row: Row, change: bytes) -> None:
        self.rows += 1
        self._accounts[row.account] += 1
        hint = row.hint
        # A ref holds no NUL, so none of these run into each other.
        self._sum.update(
            b"%b%d\0%b\0" % (change, hint.toordinal() if hint else 0, row.ref.encode())
        )
        if hint is None:
            self._unhinted += 1
        elif self._first is None or self._last is None:
            self._first = self._last = hint
        elif hint < self._first:
            self._first = hint
        elif hint > self._last:
            self._last = hint

    def checked(self, source: Source, *, index: _Index, content: bytes) -> Checked:
        return Checked(
            source=source,
            rows=self.rows,
            accounts=dict(self._accounts.most_common()),
            digest=self._sum.hexdigest(),
            content=content,
            unhinted=self._unhinted,
            duplicates=len(index.repeats[0]),
            first_hint=self._first,
            last_hint=self._last,
            repeats=index.repeats,
        )


class _Index:
    """Knows every event so far, the line that named it first, and what that line asks for it."""

    def __init__(self, found: Problems) -> None:
        self._found = found
        #: by the event's 128-bit digest: the line number above the first 64 bits of the change's
        self._events: dict[int, int] = {}
        self.repeats = (array("Q"), array("Q"))

    def add(self, row: Row, change: bytes) -> None:
        """Takes down a contradiction: two lines that ask different things of one event."""
        event = int.from_bytes(event_digest(row))
        entry = row.line_no << _CHANGE_BITS | int.from_bytes(change[:8])
        first = self._events.setdefault(event, entry)
        if first is entry:
            return
        line_no = first >> _CHANGE_BITS
        if (first ^ entry) & _CHANGE_MASK:
            error = CellError(
                f"line {line_no} asks something else for the same event", step="keep one of the two"
            )
            self._found.note(error, line=row.line_no, column="event_uid", value=row.key.event_uid)
            return
        for column, number in zip(self.repeats, (row.line_no, line_no), strict=True):
            column.append(number)
