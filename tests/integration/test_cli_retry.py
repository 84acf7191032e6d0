"""What failed can be submitted again, from the results as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import End, a_campaign, a_store, uid
from worker.intake import check, open_input, rows
from worker.model import Code, EditState, Patch, Shift

COLUMNS = ("account", "calendar_id", "event_uid", "date_hint", "shift", "summary", "x_own", "ref")
CELLS = (
    ("acc_1", "cal_1", uid(2), "2026-12-02", "-P1D", "", "plain", "r-1"),
    ("acc_1", "cal_1", uid(3), "", "", '=HYPERLINK("x","y")', "@own", "-2+3"),
    ("acc_1", "cal_1", uid(4), "2026-12-03", "+PT30M", "'=quoted by the user", "'plain", ""),
)


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with a database."""
    return bare_shell


def failed(shell: Shell, *, columns: tuple[str, ...], cells: tuple[tuple[str, ...], ...]) -> None:
    """Make a campaign of which everything failed, and write its results into `out`."""
    ends = [End(state=EditState.FAILED, code=Code.UPSTREAM) for _ in cells]
    a_campaign(a_store(shell.folder / "calpatch.db"), ends, columns=columns, cells=cells)
    assert shell("results", "--out", "out").code == 0


def patches(path: Path) -> list[tuple[Patch, tuple[str, ...]]]:
    """Return what a file asks, and the cells that its own results would echo."""
    with open_input(str(path)) as file:
        check(file, accounts=None)
        return [(row.patch, row.cells) for row in rows(file)]


def test_failed_lines_of_json_are_input_as_they_are(shell: Shell) -> None:
    """The pipeline's way: failed.jsonl under a new key."""
    line = '{"account":"acc_1","calendar_id":"cal_1","event_uid":"e_1","shift":"-P1D"}'
    failed(shell, columns=("line",), cells=((line,),))
    assert patches(shell.folder / "out/failed.jsonl") == [(Patch(move=Shift(days=-1)), (line,))]


def test_failed_rows_are_input_as_they_are(shell: Shell) -> None:
    """The operator's way: failed.csv, after a look at it in a spreadsheet, under a new key.

    It asks the very same, formulas and the user's own apostrophes included, and is echoed the same.
    """
    (shell.folder / "edits.csv").write_text(_csv(), encoding="utf-8")
    failed(shell, columns=COLUMNS, cells=CELLS)
    asked = patches(shell.folder / "edits.csv")
    assert len(asked) == len(CELLS)
    assert patches(shell.folder / "out/failed.csv") == asked


def _csv() -> str:
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line] for line in CELLS]
    return "\n".join(",".join(line) for line in (COLUMNS, *quoted)) + "\n"
