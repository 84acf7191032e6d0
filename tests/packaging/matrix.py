"""The fault matrix: each row, what is promised, and the tests that carry its mark.

`make readme` writes it into tests/faults/MATRIX.md; a test holds it against the marks, and others
that no row is without a test, and that those of each push have one that is not for the night.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
MATRIX = TESTS / "faults" / "MATRIX.md"


class Row(NamedTuple):
    """One row of the matrix."""

    fault: str
    promise: str


ROWS = {
    1: Row("killed before a read", "another worker does it again, within lease and sweep"),
    2: Row("killed after a POST, before its record", "in doubt: read first, never sent blindly"),
    3: Row("killed amid a record", "the transaction is whole or not there"),
    4: Row("killed again and again by one edit", "it fails as poison, the others go on"),
    5: Row("Redis killed and restarted, flapping", "a pause, nothing lost"),
    6: Row("Redis flushed, keys deleted", "sent again; the limiter begins again safely"),
    7: Row("Redis frozen, half-open", "commands answer soon; saved, and sent later"),
    8: Row("Redis full, read-only, wrong password", "one line tells, no crash loop"),
    9: Row("SQL down, also at a commit after a POST", "no POST without a recorded intent"),
    10: Row("deadlocks, serialization, lost commits", "tried again, bounded; nothing twice"),
    11: Row("the API answers 5xx", "backoff, then failed by name; an outage fails nobody"),
    12: Row("timeout or reset before, amid, after", "before: again; after: in doubt, read"),
    13: Row("garbage, truncated, bombs", "typed, bounded, never half applied"),
    14: Row("slow-loris, endless paging, huge pages", "times, pages and sizes are bounded"),
    15: Row("429 with Retry-After of all kinds", "everybody waits, no attempt is used up"),
    16: Row("429 without a header", "everybody slows down, and creeps back"),
    17: Row("the access token runs out", "one refresh, the others wait"),
    18: Row("401 loops, 402, 403, 423, revoked", "parked or ended by name; others go on"),
    19: Row("killed between refresh and saving it", "never two refreshers; a clear cause"),
    20: Row("clocks that are wrong or jump", "leases go by the database's clock"),
    21: Row("messages repeated, reordered, late", "the same end, the same counts"),
    22: Row("two workers on a chunk, zombies", "the loser's writes are refused"),
    23: Row("people edit in between", "a conflict, never overwritten"),
    24: Row("cancelled, limit changed in flight", "no POST after a few seconds; all ends"),
    25: Row("rolling upgrades, old messages and rows", "both versions end it right"),
    26: Row("migrations on live tables", "old and new code share the schema"),
    27: Row("disk full", "stops before a POST; logs never stop work"),
    28: Row("no descriptors, no DNS, IPv6", "typed, tried again, no leak"),
    29: Row("bad encodings", "refused by line, column and byte"),
    30: Row("huge files, rows, fields", "constant memory"),
    31: Row("formulas in cells", "stored as they are, defused in exports"),
    32: Row("contradicting and misspelt input", "refused whole, before anything is sent"),
    33: Row("gaps, overlaps, unknown zones", "refused unless a policy chooses"),
    34: Row("all-day and timed, odd ends and years", "refused, or kept as they are"),
    35: Row("texts that are too long, 422", "refused locally, or failed with the field"),
    36: Row("messages that nobody sent", "dropped; no code runs"),
    37: Row("an audit tampered with", "the first bad row is named"),
    38: Row("events, calendars, accounts that go", "ended by name, never made again"),
    39: Row("settings that make no sense", "refused at the start, by name"),
    40: Row("all of these at once, for long", "`make soak`"),
}


#: what is tried before each change is taken; the other rows have their long tests in the night
EACH_PUSH = {*range(1, 7), 9, 11, 12, *range(15, 19), *range(21, 26), *range(29, 38)}


class Marked(NamedTuple):
    """A test that carries a row's mark: `file::name`, or a whole `file`."""

    name: str
    nightly: bool

    def __str__(self) -> str:
        return f"`{self.name}`" + (" (nightly)" if self.nightly else "")


def marked_by_row() -> dict[int, list[Marked]]:
    """Return the marked tests by row."""
    found: dict[int, list[Marked]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = list(_module_marks(tree))
        for number in _rows(module):
            found[number].append(Marked(where, nightly=_nightly(module)))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                nightly = _nightly([*module, *node.decorator_list])
                for number in _rows(node.decorator_list):
                    found[number].append(Marked(f"{where}::{node.name}", nightly))
    return found


def _module_marks(tree: ast.Module) -> Iterator[ast.expr]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from node.value.elts if isinstance(node.value, ast.List) else [node.value]


def _rows(marks: list[ast.expr]) -> Iterator[int]:
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.row":
            yield from (int(ast.literal_eval(number)) for number in mark.args)


def _nightly(marks: list[ast.expr]) -> bool:
    return any(ast.unparse(mark) == "pytest.mark.nightly" for mark in marks)


def written() -> str:
    """Return the matrix as Markdown."""
    lines = [
        "# The fault matrix",
        "",
        "What can go wrong, what is promised then, and the tests that carry the row's mark.",
        "`make readme` writes this page. Every run ends with the auditor (`tests/auditor.py`).",
        "Those marked nightly are run by `make test`, and by `.ci/run` with `NIGHTLY=1`.",
        "",
        "| row | fault | promise | tests |",
        "|---|---|---|---|",
    ]
    marked = marked_by_row()
    for number, row in ROWS.items():
        tests = "<br>".join(map(str, marked[number])) or "`faults/soak`"
        lines.append(f"| {number} | {row.fault} | {row.promise} | {tests} |")
    return "\n".join(lines) + "\n"
