"""Judging the header of a CSV input: every column is known, once, and none is missing."""

from __future__ import annotations

from worker.intake.edit import CHANGES, COLUMNS, REQUIRED
from worker.intake.problems import CellError, Problems, nearest

#: columns of the caller's own, echoed in the results
OWN = "x_"

#: what other programs call our columns, for suggestions only
ALIASES = {
    "account_id": "account",
    "sub": "account",
    "calendar": "calendar_id",
    "uid": "event_uid",
    "event": "event_uid",
    "event_id": "event_uid",
    "date": "date_hint",
    "hint": "date_hint",
    "start": "new_start",
    "end": "new_end",
    "timezone": "tzid",
    "time_zone": "tzid",
    "title": "summary",
    "subject": "summary",
    "notes": "description",
    "place": "location",
    "room": "location",
    "busy": "transparency",
    "reference": "ref",
}

#: columns; each unknown one is compared with all of ours
_MOST_COLUMNS = 200

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def judge_header(names: tuple[str, ...], *, line: int, found: Problems) -> None:
    """Takes down what is wrong with the column names; what rows need to be understood first."""
    if fault := _not_a_header(names):
        found.note(fault, line=line)
        return
    # A misspelt column is not missing as well.
    meant = {_likely(name) for name in names}
    for at, name in enumerate(names):
        if name in names[:at]:
            found.note(CellError("column given twice", step="remove one"), line=line, column=name)
        elif name not in COLUMNS and not name.startswith(OWN):
            found.note(_unknown(name, at + 1), line=line, column=name)
    for name in REQUIRED:
        if name not in meant:
            found.note(
                CellError("column missing", step="every edit needs it"), line=line, column=name
            )
    if not found.count and not set(CHANGES) & set(names):
        found.note(
            CellError("no column says what to change", step=f"add one of {', '.join(CHANGES)}"),
            line=line,
        )


def _not_a_header(names: tuple[str, ...]) -> CellError | None:
    """Recognizes a file that is separated by something else, or has no header at all."""
    for mark, word in _SEPARATORS.items():
        if len(names) == 1 and mark in names[0]:
            return CellError(f"the cells are separated by {word}", step="separate them by commas")
    if len(names) > _MOST_COLUMNS:
        return CellError(f"{len(names):,} columns", step=f"leave {_MOST_COLUMNS} at most")
    if not set(names) & set(COLUMNS) and not any(_likely(name) for name in names):
        return CellError(
            "no column names", step=f"begin with a header such as {','.join(REQUIRED)},shift"
        )
    return None


def _unknown(name: str, place: int) -> CellError:
    if not name:
        return CellError(f"column {place} has no name", step="name it, or remove its comma")
    near = f' (did you mean "{likely}"?)' if (likely := _likely(name)) else ""
    return CellError(
        f"unknown column{near}", step=f"correct or remove it, or call it {OWN}… to have it echoed"
    )


def _likely(name: str) -> str:
    plain = name.casefold().replace(" ", "_").replace("-", "_")
    return plain if plain in COLUMNS else ALIASES.get(plain) or nearest(plain, COLUMNS)
