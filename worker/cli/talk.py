"""What the command says: data on stdout, talk on stderr, and nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.errors import InvalidInput, WorkerError
from worker.report import visible

#: columns of a table without a terminal: more than any has
WIDEST = 100_000
#: problems of a file that a terminal shows; `--json` has all that were kept
MOST_PROBLEMS = 20


def tell(line: str) -> None:
    """Say something to the person, on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def give(line: str) -> None:
    """Give a line of data, on stdout."""
    _put(f"{line}\n")


def _put(text: str) -> None:
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        # Whoever read us has enough (`| head`): go on, so that the exit code stays the right one.
        close_stdout()


def close_stdout() -> None:
    """Let everything that is still to be given go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def give_json(value: Any) -> None:
    """Give one JSON object, on stdout."""
    give(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def give_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: str = ""
) -> None:
    """Give a table, on stdout; columns named in `right` (comma-separated) hold numbers.

    Without a terminal nothing is cut and nothing is wrapped.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        side: Literal["left", "right"] = "right" if name in right.split(",") else "left"
        table.add_column(name, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    give_rich(table)


def give_rich(content: Table | Text) -> None:
    """Give something with colours, on stdout; without a terminal there are none, and no folds."""
    is_terminal = sys.stdout.isatty()
    # Not straight to stdout: there the library ends the process when a pipe is closed.
    shown = StringIO()
    console = Console(file=shown, force_terminal=is_terminal or None, highlight=False)
    if not is_terminal:
        console.width = WIDEST
        console.width = max(console.measure(content).maximum, 1)
    console.print(content)
    _put(shown.getvalue())


def console_for_talk() -> Console:
    """Return a console on stderr; colours only for terminals, and none with NO_COLOR."""
    return Console(stderr=True, highlight=False)


def tell_error(error: WorkerError) -> None:
    """Say what went wrong in one line with the next step, after a file's problems."""
    if isinstance(error, InvalidInput):
        for problem in error.problems[:MOST_PROBLEMS]:
            tell(visible(str(problem)))
        hidden = len(error.problems) + error.more - MOST_PROBLEMS
        if hidden > 0:
            tell(f"… and {hidden:,} more")
    tell(f"calpatch: {visible(str(error))}")


def problems_object(error: InvalidInput) -> dict[str, Any]:
    """Return a broken file's problems as `--json` gives them."""
    return {
        "error": error.message,
        "next_step": error.next_step,
        "problems": [
            {"line": each.line, "column": each.column, "value": each.value, "message": each.message}
            for each in error.problems
        ],
        "more": error.more,
    }


def plural(count: int, word: str) -> str:
    """Return "1 edit", "2 edits"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
