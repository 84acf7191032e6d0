"""Inputs for the tests of intake: a test names the cells that matter to it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from typing import Any

import pytest

from worker.errors import InvalidInput, Problem
from worker.intake import Checked, Format, Input, Row, check, rows

#: ids as the API makes them
IDS = {"account": "acc_1", "calendar_id": "cal_1", "event_uid": "evt_external_1"}
HOUR_LATER = {"shift": "PT1H"}


def an_input(content: str | bytes, *, kind: Format = "csv") -> Input:
    content = content.encode() if isinstance(content, str) else content
    return Input(name="edits", format=kind, stream=io.BytesIO(content))


def a_csv(*edits: dict[str, str], **cells: str) -> str:
    """A CSV of the given edits, or of one; its columns are those that any of them has."""
    full = [IDS | edit for edit in edits or (cells,)]
    columns = list(dict.fromkeys(name for edit in full for name in edit))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(full)
    return out.getvalue()


def a_jsonl(*edits: dict[str, Any], **keys: Any) -> str:
    return "".join(json.dumps(IDS | edit) + "\n" for edit in edits or (keys,))


def checked(content: str | bytes, *, kind: Format = "csv", **options: Any) -> Checked:
    return check(an_input(content, kind=kind), accounts=None, **options)


def read(content: str | bytes, *, kind: Format = "csv") -> list[Row]:
    """The edits of an input that has been checked."""
    opened = an_input(content, kind=kind)
    check(opened, accounts=None)
    return list(rows(opened))


def read_one(content: str | bytes, *, kind: Format = "csv") -> Row:
    (row,) = read(content, kind=kind)
    return row


def problems(
    content: str | bytes, *, kind: Format = "csv", accounts: Collection[str] | None = None
) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        check(an_input(content, kind=kind), accounts=accounts)
    assert caught.value.more == 0
    return caught.value.problems


def told(content: str | bytes, *, kind: Format = "csv") -> tuple[int, str, str]:
    """The line, column and message of the one problem."""
    (problem,) = problems(content, kind=kind)
    return problem.line, problem.column, problem.message
