"""How events are changed: `transform`, a list of which each entry is one transform or more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from worker.intake import values
from worker.intake.campaign import checks
from worker.intake.campaign.part import Part
from worker.intake.problems import CellError
from worker.model import AddText, InZone, Lasting, Op, Replace, SetText, Shift, ToTime

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: what checks a text that becomes a field, or a part of one
_TEXTS: Final = MappingProxyType(
    {
        "summary": values.summary,
        "description": values.description,
        "location": values.location,
        "transparency": values.transparency,
    }
)
_LONGEST: Final = MappingProxyType(
    {
        "summary": values.LONGEST_SUMMARY,
        "description": values.LONGEST_DESCRIPTION,
        "location": values.LONGEST_LOCATION,
    }
)


def read_transforms(part: Part) -> tuple[Op, ...]:
    """Reads the transforms in their order; one without any effect is a problem."""
    placed = [(entry[key], op) for entry in part for key in entry.keys for op in _ops(entry, key)]
    _judge_shifts(placed)
    _judge_overwritten(placed)
    return tuple(op for _, op in placed)


def read_readings(part: Part) -> tuple[str, str]:
    """Reads what is done about times that the clocks skip, and repeat: one for all transforms."""
    moves = [entry[key] for entry in part for key in ("shift", "move", "zone") if entry[key]]
    gap, fold = (_one_for_all([move[name] for move in moves]) for name in ("dst_gap", "dst_fold"))
    return gap, fold


def _one_for_all(parts: list[Part]) -> str:
    given = [part for part in parts if part.value is not None]
    for part in given[1:]:
        if part.value != given[0].value:
            error = CellError(
                f"line {given[0].line} says {given[0].value}",
                step="one reading holds for the whole campaign; give the same, or give it once",
            )
            part.refuse(error)
    return str(given[0].value) if given else "refuse"


def _ops(entry: Part, key: str) -> Iterator[Op]:
    """Gives what the transform at a key of an entry does."""
    part = entry[key]
    if part:
        yield from _READERS[key](part)


def _shift(part: Part) -> Iterator[Op]:
    is_elapsed = part["mode"].value == "elapsed"
    by = part if part.value is not None else part["by"]
    read = by.read(checks.shift, otherwise=Shift())
    if is_elapsed:
        for name in ("dst_gap", "dst_fold"):
            error = CellError("time that passes meets no change of the clocks", step="remove it")
            part[name].refuse(error)
    yield Shift(days=read.days, seconds=read.seconds, elapsed=is_elapsed)


def _set(part: Part) -> Iterator[Op]:
    for field in part.keys:
        value = part[field].read(partial(_field_text, field=field), otherwise=None)
        if value is not None:
            yield SetText(field=field, value=value)


def _field_text(text: str, *, field: str) -> str:
    if text == values.CLEAR:
        raise CellError(f"{values.CLEAR} clears in CSV only", step='write "" to clear a text')
    if text == "" and field in {"summary", "transparency"}:
        raise CellError("this cannot be cleared", step="leave it out to keep it")
    if text.endswith("\n") and field != "description":
        raise CellError("it ends with a line end", step="write |- or >- instead of | or >")
    return _TEXTS[field](text)


def _replace(part: Part) -> Iterator[Op]:
    field, is_regex = str(part["field"].value), bool(part["pattern"])
    check = checks.replaceable if is_regex else checks.sought
    pattern = part["pattern" if is_regex else "literal"].read(check, otherwise=None)
    with_text = part["with"].read(partial(_part_of_text, field=field), otherwise="")
    if pattern is None:
        return
    op = Replace(
        field=field,
        pattern=pattern,
        with_text=with_text,
        how="regex" if is_regex else "literal",
        ignore_case=part["ignore_case"].read(bool, otherwise=False),
    )
    part["with"].read(lambda _: checks.replacement(op), otherwise=None)
    yield op


def _part_of_text(text: str, *, field: str) -> str:
    """Checks what becomes a part of a field: it may be blank, but no longer than the field."""
    longest = _LONGEST.get(field, len(text))
    if len(text) > longest:
        wrong = f"{len(text):,} characters; at most {longest:,} are taken"
        raise CellError(wrong, step="shorten it")
    return text


def _move(part: Part) -> Iterator[Op]:
    weekday = part["to_weekday"].read(_WEEKDAYS.index, otherwise=None)
    yield ToTime(
        weekday=weekday,
        time=part["to_time"].read(checks.time_of_day, otherwise=None),
        tzid=part["tzid"].read(checks.zone, otherwise=None),
    )


def _duration(part: Part) -> Iterator[Op]:
    yield part.read(checks.length, otherwise=Lasting())


def _zone(part: Part) -> Iterator[Op]:
    keep: Literal["instant", "wall_clock"] = (
        "wall_clock" if part["keep"].value == "wall_clock" else "instant"
    )
    if keep == "instant":
        for name in ("dst_gap", "dst_fold"):
            error = CellError(
                "an instant that is kept meets no change of the clocks", step="remove it"
            )
            part[name].refuse(error)
    yield InZone(tzid=part["tzid"].read(checks.zone, otherwise="Etc/UTC"), keep=keep)


def _addition(part: Part, *, before: bool) -> Iterator[Op]:
    field = str(part["field"].value)
    text = part["text"].read(partial(_added_text, field=field), otherwise="")
    yield AddText(field=field, text=text, before=before)


def _added_text(text: str, *, field: str) -> str:
    return _part_of_text(checks.sought(text), field=field)


_READERS: Final[MappingProxyType[str, Callable[[Part], Iterator[Op]]]] = MappingProxyType(
    {
        "shift": _shift,
        "set": _set,
        "replace": _replace,
        "move": _move,
        "duration": _duration,
        "zone": _zone,
        "append": partial(_addition, before=False),
        "prepend": partial(_addition, before=True),
    }
)


def _judge_shifts(placed: list[tuple[Part, Op]]) -> None:
    """Refuses shifts that take each other back."""
    for is_elapsed in (False, True):
        shifts = [
            (part, op)
            for part, op in placed
            if isinstance(op, Shift) and op.elapsed is is_elapsed and op.delta
        ]
        if shifts and not sum((op.delta for _, op in shifts), timedelta()):
            error = CellError("with the shifts before it, it moves by nothing", step="correct them")
            shifts[-1][0].refuse(error)


def _judge_overwritten(placed: list[tuple[Part, Op]]) -> None:
    """Refuses what a later transform makes up for altogether."""
    later: dict[str, int] = {}
    for part, op in reversed(placed):
        # Of the times only the length does not depend on what they were.
        what = op.field if isinstance(op, SetText | Replace | AddText) else type(op).__name__
        if what in later:
            error = CellError(f"line {later[what]} overwrites it", step="remove one of the two")
            part.refuse(error)
        elif isinstance(op, SetText | Lasting):
            later[what] = part.line
