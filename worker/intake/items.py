"""A list of lines of a campaign, by number or by event: which of them a command is about.

CSV or JSONL, with `line_no`, or with `event_uid` and as much of `account` and `calendar_id` as it
takes to tell; other columns are passed over. The results of a campaign are such a list.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from worker.intake.lines import LONGEST, Lines
from worker.intake.problems import CellError, Problems, refused
from worker.intake.source import Input, open_input
from worker.sheets import restored
from worker.store import Named

#: problems that are put into words
MOST_PROBLEMS = 1_000
#: what each of them is called, in CSV as in JSONL
_NAMES = ("line_no", "event_uid", "account", "calendar_id")


class Item(NamedTuple):
    """What names one line or more; "" where the list says nothing. `line` is the list's own."""

    line: int
    line_no: str
    event_uid: str
    account: str
    calendar_id: str


def read_items(path: str) -> list[Item]:
    """Return what a list names. Raises InvalidInput with all its problems."""
    found = Problems(MOST_PROBLEMS)
    with open_input(path) as given:
        if given.format == "yaml":
            raise refused("no list of lines; give CSV or JSONL with line_no or event_uid")
        items = [item for item in _read(given, found) if _is_right(item, found)]
    found.refuse()
    if not items:
        raise refused("nothing is listed; give line_no or event_uid, a line each")
    return items


def lines_named(items: Iterable[Item], names: Iterable[Named]) -> set[int]:
    """Return the lines of a campaign that items name.

    Raises InvalidInput for items that name none: a slip of the hand must not leave one out.
    """
    by_line: dict[int, list[Item]] = {}
    by_event: dict[str, list[Item]] = {}
    unknown: dict[int, Item] = {}
    for item in items:
        unknown[item.line] = item
        if item.line_no:
            by_line.setdefault(int(item.line_no), []).append(item)
        else:
            by_event.setdefault(item.event_uid, []).append(item)
    lines = set()
    for name in names:
        asked = by_line.get(name.line_no, []) + by_event.get(name.event_uid, [])
        for item in asked:
            if _names(item, name):
                lines.add(name.line_no)
                unknown.pop(item.line, None)
    _refuse_unknown(unknown.values())
    return lines


def _names(item: Item, name: Named) -> bool:
    """Tell whether whatever an item says is so of a line."""
    return (
        item.event_uid in {"", name.event_uid}
        and item.account in {"", name.account}
        and item.calendar_id in {"", name.calendar_id}
    )


def _refuse_unknown(unknown: Iterable[Item]) -> None:
    found = Problems(MOST_PROBLEMS)
    for item in unknown:
        column, value = ("line_no", item.line_no) if item.line_no else ("event_uid", item.event_uid)
        error = CellError("no line of the campaign is that", step="take it from its results")
        found.note(error, line=item.line, column=column, value=value)
    found.refuse()


def _read(given: Input, found: Problems) -> Iterator[Item]:
    lines = Lines(given.stream, found=found)
    return _read_csv(lines, found) if given.format == "csv" else _read_jsonl(lines, found)


def _read_csv(lines: Lines, found: Problems) -> Iterator[Item]:
    # A cell may be as long as a line, and ours is the bound then.
    csv.field_size_limit(LONGEST)
    records = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(records, [])]
        # Of two columns alike the last one: that of the results, which come behind the input's.
        places = {name: place for place, name in enumerate(header)}
        if places.keys().isdisjoint(_NAMES[:2]):
            raise refused("there is neither a column line_no nor one event_uid; add one")
        for cells in records:
            if any(cells):
                row = {name: cells[at] for name, at in places.items() if at < len(cells)}
                yield _item(row, line=lines.number)
    except csv.Error as wrong:
        found.note(f"no CSV: {wrong}; save it as CSV", line=lines.number)


def _read_jsonl(lines: Lines, found: Problems) -> Iterator[Item]:
    for line in lines:
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            found.note(CellError("not a JSON object", step="give one per line"), line=lines.number)
            continue
        yield _item(row, line=lines.number)


def _item(row: Mapping[str, Any], *, line: int) -> Item:
    return Item(line, *(restored(str(row.get(name) or "").strip()) for name in _NAMES))


def _is_right(item: Item, found: Problems) -> bool:
    if not (item.line_no or item.event_uid):
        error = CellError("neither line_no nor event_uid", step="give one")
        found.note(error, line=item.line)
        return False
    if item.line_no and not (item.line_no.isascii() and item.line_no.isdecimal()):
        error = CellError("not the number of a line", step="give it as in the results")
        found.note(error, line=item.line, column="line_no", value=item.line_no)
        return False
    return True
