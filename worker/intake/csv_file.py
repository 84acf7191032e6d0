"""CSV input: a header, one edit a record; `#` lines and blank lines do not count.

Only commas separate. Records may span lines within quotes, so a record is known by the line where
it starts. A results file is an input again: its own columns are passed over, and the apostrophes
that keep a spreadsheet from running a cell are taken off.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from worker.intake.bulk import BulkReader
from worker.intake.csv_header import judge_header
from worker.intake.edit import COLUMNS, EditReader
from worker.intake.lines import LONGEST, Lines
from worker.intake.problems import CellError, Problems, refused
from worker.intake.row import Lot, Row, lot_of
from worker.intake.values import SPREADSHEET_ERRORS
from worker.sheets import count_result_columns, restored
from worker.store import stored_cells

#: how a line begins that may be a comment or blank
_MAYBE_IDLE = frozenset({"", "#", " ", "\t"})


class CsvFile:
    """Reads records in lots; the header is read, and judged, at once.

    Raises InvalidInput for a header that is wrong: nothing below it can be understood then.
    """

    def __init__(
        self, lines: Lines, *, found: Problems, reader: EditReader, bulk: BulkReader
    ) -> None:
        self._found = found
        self._reader = reader
        self._bulk = bulk
        self._lines = lines
        self._feed = _Feed(lines)
        #: columns at the end that are a results file's own
        self._passed_over = 0
        self._has_ended = False
        self.columns: tuple[str, ...] = ()
        self._records = self._read_records()
        self.columns = self._read_header()
        self._places = [self.columns.index(c) if c in self.columns else -1 for c in COLUMNS]

    def __iter__(self) -> Iterator[Lot]:
        while not self._has_ended:
            yield self._at_once() or lot_of(self._one_by_one())

    def _at_once(self) -> Lot | None:
        """Reads lines of which each is a record; None when they are not, or not plainly right."""
        batch = None if self._passed_over else self._lines.batch()
        if batch is None or not {line[:1] for line in batch}.isdisjoint(_MAYBE_IDLE):
            return None
        columns = _split(batch, width=len(self.columns))
        if columns is None:
            return None
        blank = ("",) * len(batch)
        asked = [blank if place < 0 else columns[place] for place in self._places]
        echoes = stored_cells(self.columns, columns)
        lot = self._bulk.read(asked, cells=echoes, first=self._lines.number + 1)
        if lot is not None:
            self._lines.take(batch)
        return lot

    def _one_by_one(self) -> Iterator[Row]:
        """Reads records to where a batch may follow, or to the end."""
        columns, feed, read = self.columns, self._feed, self._reader.read
        pick = itemgetter(*self._places)
        width = len(columns) + self._passed_over
        for cells in self._records:
            if len(cells) == width:
                if self._passed_over:
                    cells = [restored(cell) for cell in cells[: len(columns)]]  # noqa: PLW2901
                kept = tuple(cells)
                cells.append("")  # what a column picks that the file does not have
                if (row := read(pick(cells), line_no=feed.start, cells=kept)) is not None:
                    yield row
            else:
                self._found.note(_wrong_width(len(cells), width), line=feed.start)
            if self._lines.is_drained:
                return
        self._has_ended = True

    def _read_header(self) -> tuple[str, ...]:
        names = tuple(cell.strip() for cell in next(self._records, ()))
        self._found.refuse()
        if not names:
            raise refused("no edits: the file is empty; begin with a line of column names")
        self._passed_over = count_result_columns(names)
        names = names[: len(names) - self._passed_over]
        judge_header(names, line=self._feed.start, found=self._found)
        self._found.refuse()
        return names

    def _read_records(self) -> Iterator[list[str]]:
        """Gives the records that can be split into cells, but for those of blanks alone."""
        feed = self._feed
        records = csv.reader(feed, strict=True)
        while True:
            feed.begin()
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error:
                self._note_quote()
                if feed.size > LONGEST:
                    return  # in the middle of a text, each line of which would be a problem
                continue
            if feed.lines.spoiled < feed.start and any(cells):
                yield cells

    def _note_quote(self) -> None:
        """Takes down a quote that is wrong, at the line and the cell where it opened."""
        feed = self._feed
        at = misquoted("".join(feed.held))
        opened = feed.start + at.below
        step = "close it"
        if feed.size > LONGEST:
            fault = f"a quote opens here and is not closed within {LONGEST:,} characters"
            step = "close it, then check again: nothing below was checked"
        elif at.height is None:
            fault = "a quote opens here and is never closed"
        elif at.height:
            fault = f"a quote opens here and closes amid line {opened + at.height}"
        else:
            fault, step = "text after a closing quote", "write a quote within quotes twice"
        column = self.columns[at.cell] if at.cell < len(self.columns) else ""
        self._found.note(CellError(fault, step=step), line=opened, column=column)


class _Feed:
    """Gives lines to the CSV reader, which asks for more while a quote is open.

    Between records it passes over comments and blank lines; within one, every line is content.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._source = iter(lines)
        #: characters of the record so far
        self.size = 0
        #: the line where the record starts, and its lines so far
        self.start = 0
        self.held: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def begin(self) -> None:
        """Tells that the next line starts a record."""
        self.held = []

    def __next__(self) -> str:
        line = next(self._source)
        if self.held:
            self.size += len(line)
            if self.size > LONGEST:
                raise csv.Error("record too long")
        else:
            while line[0] in "#\n \t" and _is_idle(line):
                line = next(self._source)
            self.start = self.lines.number
            self.size = len(line)
        self.held.append(line)
        return line


def _split(batch: list[str], *, width: int) -> Sequence[Sequence[str]] | None:
    """Splits lines into columns; None when not each of them is a record of so many cells."""
    text = ",".join(batch)
    if '"' not in text:
        if {line.count(",") for line in batch} != {width - 1}:
            return None
        cells = text.split(",")
        return [cells[place::width] for place in range(width)]
    try:
        records = list(csv.reader(batch, strict=True))
    except csv.Error:
        return None
    # As many records as lines: none spans two of them.
    if len(records) != len(batch) or {*map(len, records)} != {width}:
        return None
    return [*zip(*records, strict=True)]


def _is_idle(line: str) -> bool:
    # A failed formula in the first column would else turn an edit into a comment, unseen.
    return line.isspace() or (line[0] == "#" and not line.startswith(SPREADSHEET_ERRORS))


#: a cell that is quoted well, and one that is well altogether, with what ends it
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_CELL = re.compile(rf'(?:{_QUOTED.pattern}|[^",\n][^,\n]*)?(?:[,\n]|\Z)')


class Misquoted(NamedTuple):
    """Where the cell begins that keeps a record from being read.

    `below` counts lines from the record's first, `cell` counts cells from 0, `height` the line ends
    within its quotes; None when they are never closed.
    """

    below: int
    cell: int
    height: int | None


def misquoted(record: str) -> Misquoted:
    """Finds the first cell that is not quoted well."""
    at = cell = 0
    while at < len(record) and (good := _CELL.match(record, at)):
        at, cell = good.end(), cell + 1
    quoted = _QUOTED.match(record, at)
    height = quoted[0].count("\n") if quoted else None
    return Misquoted(below=record.count("\n", 0, at), cell=cell, height=height)


def _wrong_width(cells: int, width: int) -> CellError:
    fault = f"{cells} cells, but the header names {width} columns"
    if cells > width:
        return CellError(fault, step="put a cell that holds a comma in quotes")
    return CellError(fault, step="add the missing commas")
