"""What `submit` and `validate` show while they read and save, and what Ctrl-C leaves: nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.benchmarks import ingest
from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import a_store
from worker.cli import progress
from worker.store import NewAccount, Store

SUBMIT = ("submit", "edits.csv", "--key", "k1", "--reason", "why", "--yes")


@pytest.fixture
def shell(bare_shell: Shell, tmp_path: Path) -> Shell:
    """A folder with complete settings, no Redis, and a file of 20,000 edits."""
    with (tmp_path / "edits.csv").open("w") as file:
        file.write("account,calendar_id,event_uid,date_hint,shift\n")
        file.writelines(f"acc_1,cal_1,evt_{n},2026-12-02,P1D\n" for n in range(20_000))
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Iterator[Store]:
    """The commands' own database, with one account."""
    made = a_store(shell.folder / "calpatch.db")
    made.accounts.import_all(
        [NewAccount(sub="acc_1", access_token=b"a", refresh_token=b"r")], actor="test"
    )
    yield made
    made.database.dispose()


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Run a command with a terminal as its stderr; returns its code and what that has shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        try:
            while piece := terminal.read(4_096):
                shown += piece
        except OSError:  # how a terminal ends on Linux
            pass
    return process.wait(timeout=60), shown.decode()


def test_a_terminal_shows_how_far_it_is(shell: Shell, store: Store) -> None:
    """Twenty seconds of silence would look like a program that hangs."""
    code, shown = on_a_terminal(*SUBMIT)
    assert code == 0
    for what in ("Checking the file", "Saving the edits"):
        assert re.search(rf"{what}.*100%", shown), shown
    assert "20,000 edits saved as c_" in shown


def test_with_json_there_is_no_bar(shell: Shell, store: Store) -> None:
    """Whoever asks for JSON may keep stderr, too."""
    _, shown = on_a_terminal("validate", "edits.csv", "--json")
    assert shown == ""


def test_without_a_terminal_there_is_no_bar(shell: Shell, store: Store) -> None:
    """A log is not drawn upon."""
    ended = shell("validate", "edits.csv")
    assert (ended.code, ended.err) == (0, "")


def interrupting(when: str) -> Callable[..., object]:
    """A bar that presses Ctrl-C after half of what it is named for."""
    real = progress.bar

    def pressed(what: str, *, total: int, shown: bool = True) -> object:
        def tell(done: int) -> None:
            if what == when and done >= total / 2:
                raise KeyboardInterrupt

        return nullcontext(tell) if what == when else real(what, total=total, shown=shown)

    return pressed


@pytest.mark.parametrize("when", ["Checking the file", "Saving the edits"])
def test_ctrl_c_saves_nothing_and_says_so(
    shell: Shell, store: Store, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops it must know whether guests will get mail."""
    temporary = shell.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with monkeypatch.context() as patched:
        patched.setattr("worker.cli.placing.bar", interrupting(when))
        ended = shell(*SUBMIT)
    assert ended.code == 130
    assert "Nothing was saved" in ended.err
    assert list(temporary.iterdir()) == []
    with store.database.read() as connection:
        for table in ("campaigns", "edits", "chunks"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    assert shell(*SUBMIT).code == 0


def test_ctrl_c_when_it_is_saved_says_so(
    shell: Shell, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign runs whether its messages are sent now or by the clock."""

    def pressed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("worker.intake.producer.announce", pressed)
    ended = shell(*SUBMIT)
    campaign = store.campaigns.get("k1")
    assert campaign is not None
    assert (ended.code, campaign.total) == (130, 20_000)
    assert f"It is saved as {campaign.id}" in ended.err


DYING = """
import os, worker.store.filling as filling
from worker.cli.main import main

def dying(*given, insert=filling._insert, **named):
    next(insert(*given, **named))
    os._exit(9)

filling._insert = dying
main()
"""


def test_a_killed_submission_leaves_no_campaign(shell: Shell, store: Store) -> None:
    """The power may go at any line: the next try finds a clean database."""
    command = [sys.executable, "-c", DYING, *SUBMIT]
    environ = {**os.environ, "TMPDIR": str(shell.folder)}
    died = subprocess.run(command, env=environ, capture_output=True, check=False, timeout=60)
    assert died.returncode == 9
    assert store.campaigns.get("k1") is None
    assert shell(*SUBMIT).code == 0
    campaign = store.campaigns.get("k1")
    assert campaign is not None
    assert campaign.total == 20_000


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("patches", ["shift", "times"])
def test_the_benchmark_still_runs(sqlite_url: str, kind: str, patches: str) -> None:
    """It is run rarely, and what it measures changes often."""
    found = ingest.run(300, sqlite_url, kind=kind, patches=patches)
    assert found["lines"] == 300
    assert found["total_per_s"] > 0
