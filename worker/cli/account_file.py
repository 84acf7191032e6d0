"""Reading a file of accounts: every problem by line and column, and never a value.

Columns may be swapped and headers missing, so that any cell may hold a token: none is ever shown.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from worker.cronofy import DATA_CENTERS
from worker.errors import InvalidInput, Problem
from worker.store import NewAccount
from worker.tokens import Vault

COLUMNS = ("sub", "access_token", "refresh_token", "expires_at", "data_center", "label")
REQUIRED = COLUMNS[:3]
#: characters; our own caps: the columns' width, and far above any token seen
LONGEST_NAME, LONGEST_TOKEN = 255, 8192
MOST_PROBLEMS = 100


class Line(NamedTuple):
    """The texts of one account."""

    number: int
    cells: Mapping[str, str]


def read_accounts(path: str, vault: Vault) -> list[NewAccount]:
    """Read and seal the accounts of a file. Raises InvalidInput with all its problems."""
    found: list[Problem] = []
    text = _text(path)
    is_jsonl = text.lstrip().startswith("{")
    lines = list(_json_lines(text, found) if is_jsonl else _csv_lines(text, found))
    if not found and not lines:
        _note(found, 0, "", "no accounts; below the header there is nothing")
    seen: dict[str, int] = {}
    accounts = [_account(line, vault, found=found, seen=seen) for line in lines]
    if found:
        raise InvalidInput(found[:MOST_PROBLEMS], more=max(0, len(found) - MOST_PROBLEMS))
    return [account for account in accounts if account is not None]


def _text(path: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _refused(f"the file cannot be read: {reason}", name=path) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Without the cause: its text quotes the bytes.
        raise _refused("the file is not UTF-8; save it as UTF-8") from None


def _csv_lines(text: str, found: list[Problem]) -> Iterator[Line]:
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(records, [])]
        if not header:
            _note(found, 0, "", "no accounts; the file is empty")
        if not header or not _is_header(header, found):
            return
        for cells in records:
            if not any(cells):
                continue
            if len(cells) != len(header):
                wrong = f"{len(cells)} cells, but the header names {len(header)} columns"
                _note(found, records.line_num, "", wrong)
                continue
            yield Line(records.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error:
        _note(found, records.line_num, "", "not CSV; look for a quote that is never closed")


def _is_header(names: list[str], found: list[Problem]) -> bool:
    for place, name in enumerate(names, 1):
        if name not in COLUMNS:
            _note(found, 1, "", f"column {place} is not one of {', '.join(COLUMNS)}")
        elif name in names[: place - 1]:
            _note(found, 1, name, "column given twice; remove one")
    for name in REQUIRED:
        if name not in names:
            _note(found, 1, name, "column missing")
    return not found


def _json_lines(text: str, found: list[Problem]) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            cells = msgspec.json.decode(line, type=dict[str, str])
        except msgspec.MsgspecError:
            _note(found, number, "", "not a JSON object of texts")
            continue
        if set(cells) - set(COLUMNS):
            _note(found, number, "", f"a key is not one of {', '.join(COLUMNS)}")
        else:
            yield Line(number, cells)


def _account(
    line: Line, vault: Vault, *, found: list[Problem], seen: dict[str, int]
) -> NewAccount | None:
    cells, before = line.cells, len(found)
    for column, fault in _faults(cells):
        _note(found, line.number, column, fault)
    sub = cells.get("sub", "")
    if sub and (first := seen.setdefault(sub, line.number)) != line.number:
        _note(found, line.number, "sub", f"line {first} has the same account; keep one")
    if len(found) > before:
        return None
    return NewAccount(
        sub=sub,
        access_token=vault.seal(sub, cells["access_token"]),
        refresh_token=vault.seal(sub, cells["refresh_token"]),
        data_center=cells.get("data_center") or "us",
        label=cells.get("label", ""),
        expires_at=_moment(cells.get("expires_at", "")),
    )


def _faults(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give what is wrong with each cell by column, in words without the value."""
    for column in REQUIRED:
        longest = LONGEST_NAME if column == "sub" else LONGEST_TOKEN
        if fault := _not_a_word(cells.get(column, ""), longest=longest):
            yield column, fault
    if (center := cells.get("data_center")) and center not in DATA_CENTERS:
        yield "data_center", f"not one of {', '.join(DATA_CENTERS)}"
    if (ends := cells.get("expires_at")) and _moment(ends) is None:
        yield "expires_at", "not a time with zone; write it as in 2026-03-01T14:00:00Z"
    label = cells.get("label", "")
    if len(label) > LONGEST_NAME or not label.isprintable():
        yield "label", f"at most {LONGEST_NAME} visible characters"


def _not_a_word(text: str, *, longest: int) -> str:
    if not text:
        return "missing; every account needs it"
    if len(text) > longest:
        return f"{len(text):,} characters; at most {longest:,} are taken"
    if not text.isprintable() or " " in text:
        return "holds white space or control characters; remove them"
    return ""


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _note(found: list[Problem], line: int, column: str, message: str) -> None:
    found.append(Problem(line=line, column=column, value="", message=message))


def _refused(message: str, *, name: str = "") -> InvalidInput:
    return InvalidInput([Problem(line=0, column="", value=name, message=message)])
