"""What the command says: data on stdout, talk on stderr, and nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.errors import InvalidInput, Problem, WorkerError
from worker.intake.problems import problems_object as problems_object  # noqa: PLC0414 - for commands
from worker.report import visible, visible_json
from worker.store import Store

#: columns of a table without a terminal: more than any has
WIDEST = 100_000
#: blanks between columns, and characters without which a folded text is no help
GAP, LEAST_TEXT = 2, 8
#: problems of a file that a terminal shows; `--json` has all that were kept
MOST_PROBLEMS = 20
#: lines named after the first, of problems that are alike
MOST_LINES = 5


def tell(line: str) -> None:
    """Say something to the person, on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def tell_unopened(store: Store) -> None:
    """Say why images were left blank in what was read last, if any were."""
    if store.reading.unopened is not None:
        tell(f"calpatch: what is stored of events is left blank. {store.reading.unopened}")


def give(line: str) -> None:
    """Give a line of data, on stdout."""
    _put(f"{line}\n")


def give_folded(line: str, *, hang: int) -> None:
    """Give a line, on stdout; a terminal gets it in lines that end between words.

    Those that follow begin below column `hang`.
    """
    if not sys.stdout.isatty():
        give(line)
        return
    width = max(Console().width, 2 * hang)
    folded = textwrap.wrap(
        line, width, subsequent_indent=" " * hang, replace_whitespace=False, break_on_hyphens=False
    )
    give("\n".join(folded))


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
    give(visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()))


def give_objects(values: Iterable[Any]) -> int:
    """Give a JSON list, on stdout, an object on each line as it comes; returns how many."""
    count = 0
    give("[")
    last = ""
    for count, value in enumerate(values, start=1):  # noqa: B007 - the last number is the count
        if last:
            give(f"{last},")
        last = msgspec.json.encode(value).decode()
    if last:
        give(last)
    give("]")
    return count


def give_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: str = "",
    texts: str = "",
    head: bool = True,
) -> None:
    """Give a table, on stdout; columns named in `right` (comma-separated) hold numbers.

    On a narrow terminal those named in `texts` are folded first: a name in two halves cannot be
    copied. Without a terminal nothing is cut and nothing is wrapped.
    """
    table = Table(
        box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", show_header=head
    )
    for name in columns:
        side: Literal["left", "right"] = "right" if name in right.split(",") else "left"
        is_text = name in texts.split(",")
        table.add_column(name, justify=side, overflow="fold", no_wrap=not is_text)
    least = [LEAST_TEXT if name in texts.split(",") else len(name) for name in columns]
    for row in rows:
        cells = [cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row]
        table.add_row(*cells)
        for place, cell in enumerate(cells):
            if columns[place] not in texts.split(","):
                least[place] = max(least[place], cell.cell_len)
    give_rich(table, least=sum(least) + GAP * len(least))


def give_rich(content: Table | Text, *, least: int = 0) -> None:
    """Give something with colours, on stdout; without a terminal there are none, and no folds.

    A terminal of less than `least` columns folds whole lines itself: columns would be cut there.
    """
    is_terminal = sys.stdout.isatty()
    # Not straight to stdout: there the library ends the process when a pipe is closed.
    shown = StringIO()
    console = Console(file=shown, force_terminal=is_terminal or None, highlight=False)
    if not is_terminal or console.width < least:
        console.width = WIDEST
        console.width = max(console.measure(content).maximum, 1)
    console.print(content)
    _put("".join(f"{line.rstrip()}\n" for line in shown.getvalue().split("\n")[:-1]))


def console_for_talk() -> Console:
    """Return a console on stderr; colours only for terminals, and none with NO_COLOR."""
    return Console(stderr=True, highlight=False)


def tell_error(error: WorkerError) -> None:
    """Say what went wrong in one line with the next step, after a file's problems."""
    if isinstance(error, InvalidInput):
        _tell_problems(error)
    tell(f"calpatch: {visible(str(error))}")


def _tell_problems(error: InvalidInput) -> None:
    """Tell problems, those of many lines alike together: one wrong word often is everywhere."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for each in error.problems:
        alike.setdefault((each.column, each.value, each.message), []).append(each)
    groups = list(alike.values())
    for first, *others in groups[:MOST_PROBLEMS]:
        also = ", ".join(str(each.line) for each in others[:MOST_LINES])
        rest = f" and {len(others) - MOST_LINES:,} more" if len(others) > MOST_LINES else ""
        tell(visible(f"{first} (also line {also}{rest})" if others else str(first)))
    hidden = error.more + sum(len(each) for each in groups[MOST_PROBLEMS:])
    if hidden:
        tell(f"… and {hidden:,} more")


def plural(count: int, word: str) -> str:
    """Return "1 edit", "2 edits"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
