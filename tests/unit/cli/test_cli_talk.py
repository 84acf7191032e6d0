"""What is shown: whole at any width, plain in a pipe, and many problems in few lines."""

from __future__ import annotations

import re
import sys
from io import StringIO

import pytest
from rich.text import Text

from worker.cli.talk import give_folded, give_table, tell_error
from worker.errors import InvalidInput, Problem

COLUMNS = ("account", "label", "status", "edits")
ROWS = [
    ("acc_5f3b0c2a9d1e4b7f8a6c3d2e", "Zoë Müller of the office in Lyon", "parked", "1,204"),
    ("acc_6f3b0c2a9d1e4b7f8a6c3d2e", "A", "active", "7"),
]


class Screen(StringIO):
    """A terminal, or a pipe."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def text(self) -> str:
        """What is to be read, without weight and colour."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())


def a_screen(monkeypatch: pytest.MonkeyPatch, width: int) -> Screen:
    """Make standard output a terminal of a width; 0 is a pipe."""
    shown = Screen(is_terminal=width > 0)
    monkeypatch.setattr(sys, "stdout", shown)
    for name, value in {"COLUMNS": str(width or 80), "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    return shown


@pytest.mark.parametrize("width", [0, 20, 40, 55, 62, 80, 200])
def test_no_width_cuts_anything_off(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a name cannot be told from a whole one."""
    screen = a_screen(monkeypatch, width)
    give_table(COLUMNS, ROWS, right="edits", texts="label")
    found = "".join(screen.text.split())
    asked = "".join(cell for row in (COLUMNS, *ROWS) for cell in row).replace(" ", "")
    assert sorted(found) == sorted(asked)


def test_texts_are_folded_and_names_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person copies stays in one piece."""
    screen = a_screen(monkeypatch, 62)
    give_table(COLUMNS, ROWS, right="edits", texts="label")
    lines = screen.text.splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 62
    assert [line.split()[0] for line in lines if line.startswith("acc_")] == [r[0] for r in ROWS]


def test_a_pipe_gets_one_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """For awk and grep; and no blanks at the ends."""
    screen = a_screen(monkeypatch, 0)
    give_table(
        COLUMNS, [*ROWS, ("acc_7", Text("in colour", style="red"), "lost", "")], texts="label"
    )
    lines = screen.text.splitlines()
    assert len(lines) == 4
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in screen.getvalue()


def test_a_long_line_goes_on_below_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story in two columns stays one in a narrow window."""
    screen = a_screen(monkeypatch, 40)
    give_folded("why      waiting for the rate limit; the next call in 2s", hang=9)
    assert screen.text == ("why      waiting for the rate limit; the\n         next call in 2s\n")


def test_a_line_in_a_pipe_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows it depends on no window."""
    screen = a_screen(monkeypatch, 0)
    give_folded("why      " + "so " * 60, hang=9)
    assert screen.text.count("\n") == 1


def _problem(line: int, value: str) -> Problem:
    return Problem(line=line, column="shift", value=value, message="not a duration")


def test_the_number_of_problems_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Those told alike, those told apart, those not shown and those not kept."""
    alike = [_problem(line, "soon") for line in range(2, 12)]
    apart = [_problem(line, f"x{line}") for line in range(12, 42)]
    tell_error(InvalidInput([*alike, *apart], more=1000))
    first, *others, hidden, end = capsys.readouterr().err.splitlines()
    assert first == "line 2, shift 'soon': not a duration (also line 3, 4, 5, 6, 7 and 4 more)"
    assert len(others) == 19
    assert hidden == "… and 1,011 more"
    assert end.startswith("calpatch: 1040 problems")
