"""CSV input: a header, one edit a record; `#` lines and blank lines do not count.

Only commas separate. Records may span lines within quotes, so a record is known by the line where
it starts. A results file is an input again: its own columns are passed over, and the apostrophes
that keep a spreadsheet from running a cell are taken off.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from worker.intake.csv_header import judge_header
from worker.intake.edit import COLUMNS, EditReader
from worker.intake.lines import LONGEST, Lines
from worker.intake.problems import CellError, Problems, refused
from worker.intake.row import Row
from worker.intake.values import SPREADSHEET_ERRORS
from worker.sheets import RESULT_COLUMNS, restored


class CsvFile:
    """Reads records into rows; the header is read, and judged, at once.

    Raises InvalidInput for a header that is wrong: nothing below it can be understood then.
    """

    def __init__(self, lines: Lines, *, found: Problems, reader: EditReader) -> None:
        self._found = found
        self._reader = reader
        self._feed = _Feed(lines)
        self._is_results = False
        self.columns: tuple[str, ...] = ()
        self._records = self._read_records()
        self.columns = self._read_header()

    def __iter__(self) -> Iterator[Row]:
        columns, feed, read = self.columns, self._feed, self._reader.read
        pick = itemgetter(*[columns.index(c) if c in columns else -1 for c in COLUMNS])
        width = len(columns) + (len(RESULT_COLUMNS) if self._is_results else 0)
        for cells in self._records:
            if len(cells) == width:
                if self._is_results:
                    cells = [restored(cell) for cell in cells[: len(columns)]]  # noqa: PLW2901
                kept = tuple(cells)
                cells.append("")  # what a column picks that the file does not have
                if (row := read(pick(cells), line_no=feed.start, cells=kept)) is not None:
                    yield row
            else:
                self._found.note(_wrong_width(len(cells), width), line=feed.start)

    def _read_header(self) -> tuple[str, ...]:
        names = tuple(cell.strip() for cell in next(self._records, ()))
        self._found.refuse()
        if not names:
            raise refused("no edits: the file is empty; begin with a line of column names")
        self._is_results = names[-len(RESULT_COLUMNS) :] == RESULT_COLUMNS
        if self._is_results:
            names = names[: -len(RESULT_COLUMNS)]
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
