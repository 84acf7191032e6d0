"""JSONL input: one JSON object a line; blank lines do not count.

A line is decoded at once into a checked struct. Only when that fails it is read again as plain
JSON, to say everything that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from msgspec import UNSET, MsgspecError, Struct, UnsetType, json

from worker.intake.bulk import BulkReader
from worker.intake.edit import Asked, EditReader
from worker.intake.json_faults import Shape, faults
from worker.intake.lines import Lines
from worker.intake.problems import CellError, Problems
from worker.intake.row import Lot, Row, lot_of
from worker.intake.values import CLEAR

#: what JSONL calls the columns, where it does not use their names
NAMES = MappingProxyType(
    {
        "new_start": "set.start",
        "new_end": "set.end",
        "summary": "set.summary",
        "description": "set.description",
        "location": "set.location",
        "transparency": "set.transparency",
        "expect_start": "expect.start",
    }
)

_MODES = ("wall_clock", "elapsed")
_OPS = frozenset({"", "edit"})


class _Set(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The new values; "" clears, a key that is not there leaves."""

    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    transparency: str | UnsetType = UNSET


class _Expect(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    start: str = ""


class _Line(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One line; as in CSV, "" is "not given", but for what is in `set`."""

    account: str = ""
    calendar_id: str = ""
    event_uid: str = ""
    date_hint: str = ""
    shift: str = ""
    mode: str = ""
    tzid: str = ""
    set: _Set = _Set()
    expect: _Expect = _Expect()
    ref: str = ""
    op: str = ""
    fields: tuple[str, ...] | UnsetType = UNSET


_FIELDS = _Set.__struct_fields__
_SHAPE: dict[str, Shape] = {
    **dict.fromkeys(_Line.__struct_fields__, str),
    "set": dict.fromkeys(_FIELDS, str),
    "expect": {"start": str},
    "fields": list[str],
}

_decoder, _encoder = json.Decoder(_Line), json.Encoder()
_NEW = _Set()


class JsonlFile:
    """Reads lines in lots; the one column is the line as it is."""

    columns = ("line",)

    def __init__(
        self, lines: Lines, *, found: Problems, reader: EditReader, bulk: BulkReader
    ) -> None:
        self._lines = lines
        self._found = found
        self._reader = reader
        self._bulk = bulk
        self._has_ended = False

    def __iter__(self) -> Iterator[Lot]:
        while not self._has_ended:
            yield self._at_once() or lot_of(self._one_by_one())

    def _at_once(self) -> Lot | None:
        """Reads lines that are plainly right; None when one needs a closer look."""
        batch = self._lines.batch()
        if batch is None:
            return None
        text = "\n".join(batch)
        try:
            lines = _decoder.decode_lines(text)
        except (MsgspecError, RecursionError):
            return None
        if len(lines) != len(batch) or _repeats(text, _encoder.encode_lines(lines)):
            return None
        if any(line.mode or line.op not in _OPS or line.fields is not UNSET for line in lines):
            return None
        asked = [*zip(*map(_asked, lines), strict=True)]
        if any(_clears(line.set) for line in lines if line.set is not _NEW):
            return None
        echoes = _encoder.encode_lines([[line] for line in batch]).decode().split("\n")[:-1]
        lot = self._bulk.read(asked, cells=echoes, first=self._lines.number + 1)
        if lot is not None:
            self._lines.take(batch)
        return lot

    def _one_by_one(self) -> Iterator[Row]:
        """Reads lines to where a batch may follow, or to the end."""
        lines, read = self._lines, self._reader.read
        for text in lines:
            number = lines.number
            if not (lines.spoiled == number or text.isspace()):
                line = self._decoded(text)
                before = self._found.count
                if line is not None:
                    self._judge(line)
                    cells = (text.rstrip("\n"),)
                    elapsed = line.mode == "elapsed"
                    row = read(_asked(line), line_no=number, cells=cells, elapsed=elapsed)
                    if row is not None and self._found.count == before:
                        yield row
            if lines.is_drained:
                return
        self._has_ended = True

    def _decoded(self, text: str) -> _Line | None:
        """Decodes one line; None when it has faults of form, which are then taken down."""
        try:
            line = _decoder.decode(text)
        except (MsgspecError, RecursionError):
            if not self._note_faults(text):
                self._note("", CellError("not valid JSON", step="correct the line"))
            return None
        if _may_repeat(text, line) and self._note_faults(text):
            return None
        return line

    def _note_faults(self, text: str) -> int:
        before = self._found.count
        for fault in faults(text, _SHAPE):
            self._note(fault.path, fault.error)
        return self._found.count - before

    def _judge(self, line: _Line) -> None:
        """Checks what only JSONL has: op, mode, fields, and clearing by an empty text."""
        if line.op not in _OPS:
            error = CellError("the only operation is edit", step="nothing is deleted or made here")
            self._note("op", error, line.op)
        if line.mode and line.mode not in _MODES:
            error = CellError(
                "no such mode", step="give wall_clock or elapsed", wanted=line.mode, among=_MODES
            )
            self._note("mode", error, line.mode)
        elif line.mode and not line.shift:
            self._note(
                "mode", CellError("a mode without a shift", step="remove it, or give a shift")
            )
        for name in _FIELDS:
            if getattr(line.set, name) == CLEAR:
                error = CellError(f"{CLEAR} clears in CSV only", step='give "" to clear a text')
                self._note(f"set.{name}", error)
        if line.fields is not UNSET:
            self._judge_fields(line, line.fields)

    def _judge_fields(self, line: _Line, fields: tuple[str, ...]) -> None:
        """Checks that nothing is set which `fields` does not list: a blank can never clear one."""
        for name in fields:
            if name not in _FIELDS:
                error = CellError(
                    "no such field",
                    step=f"list some of {', '.join(_FIELDS)}",
                    wanted=name,
                    among=_FIELDS,
                )
                self._note("fields", error, name)
        for name in _FIELDS:
            if getattr(line.set, name) is not UNSET and name not in fields:
                self._note(
                    f"set.{name}",
                    CellError("not listed in fields", step="list it, or do not set it"),
                )
        if line.shift and not {"start", "end"} <= {*fields}:
            error = CellError(
                "fields does not list start and end", step="list both, or do not shift"
            )
            self._note("shift", error, line.shift)

    def _note(self, path: str, error: CellError, value: str = "") -> None:
        self._found.note(error, line=self._lines.number, column=path, value=value)


def _may_repeat(text: str, line: _Line) -> bool:
    """Tells whether a key may have been given twice, of which decoding keeps the last.

    Where nothing is escaped, a line has as many quotes as what was decoded from it, or it has more
    keys.
    """
    return _repeats(text, _encoder.encode(line))


def _repeats(text: str, encoded: bytes) -> bool:
    return "\\" in text or text.count('"') != encoded.count(b'"')


def _clears(new: _Set) -> bool:
    """Tells whether what clears in CSV is written here, where it does not."""
    return any(getattr(new, name) == CLEAR for name in _FIELDS)


def _asked(line: _Line) -> Asked:
    new = line.set
    return Asked(
        line.account,
        line.calendar_id,
        line.event_uid,
        line.date_hint,
        line.shift,
        _given(new.start),
        _given(new.end),
        line.tzid,
        _given(new.summary),
        _given(new.description),
        _given(new.location),
        _given(new.transparency),
        line.expect.start,
        line.ref,
    )


def _given(value: str | UnsetType) -> str:
    return "" if value is UNSET else value or CLEAR
