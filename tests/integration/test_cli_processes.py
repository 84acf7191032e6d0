"""The command as a process of its own: what a shell, a pipe and a supervisor see."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import complete_settings, heeding_ctrl_c
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_store, uid
from worker.cli.processes import QUEUES, beat_command, worker_command
from worker.model import EditState
from worker.store import NewAccount

CALPATCH = [sys.executable, "-m", "worker.cli"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a process with a database and no Redis."""
    url = f"sqlite:///{tmp_path / 'calpatch.db'}"
    return {**os.environ, **complete_settings(), "CALPATCH_DATABASE_URL": url}


def test_data_and_talk_are_apart(tmp_path: Path, environ: dict[str, str]) -> None:
    """`calpatch status --json > file` keeps the file clean, whatever is said meanwhile."""
    a_campaign(a_store(tmp_path / "calpatch.db"), ONE_OF_EACH)
    ended = subprocess.run(
        [*CALPATCH, "status", "--watch", "--json"], env=environ, capture_output=True, check=False
    )
    assert ended.returncode == 3
    assert ended.stdout.startswith(b"{")
    assert ended.stdout.endswith(b"}\n")
    assert b"completed_with_errors 8/8 100.0%" in ended.stderr


def test_no_colour_and_no_animation_without_a_terminal(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """A log file full of escapes helps nobody."""
    a_campaign(a_store(tmp_path / "calpatch.db"), ONE_OF_EACH)
    for command in (("status",), ("list",), ("doctor",), ("--help",), ("status", "--watch")):
        ended = subprocess.run([*CALPATCH, *command], env=environ, capture_output=True, check=False)
        assert b"\x1b" not in ended.stdout + ended.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path, environ: dict[str, str]) -> None:
    """`calpatch list | head -1` ends quietly."""
    a_campaign(a_store(tmp_path / "calpatch.db"), ONE_OF_EACH)
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*CALPATCH, "list"], env=environ, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_leaves_the_campaign_running_and_says_so(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """Exit 130, with the command that shows it again."""
    a_campaign(a_store(tmp_path / "calpatch.db"), [End(state=EditState.PENDING)])
    command = [*CALPATCH, "status", "--watch"]
    with (
        heeding_ctrl_c(),
        subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        assert "running 0/1" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "The campaign is left as it is. To see it again: calpatch status c_1 --watch" in rest
    assert "Traceback" not in rest


def test_details_of_an_internal_error_come_only_when_asked_for(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """One line by default; places, and still no values, at DEBUG."""
    a_campaign(a_store(tmp_path / "calpatch.db"), ONE_OF_EACH)
    script = (
        "import sys, worker.cli.main as m; from worker.cli import status\n"
        "def broken(*a, **k): raise RuntimeError('canary-token')\n"
        "status.look_at = broken\n"
        "sys.exit(m.run(['status']))\n"
    )
    said = []
    for level in ("INFO", "DEBUG"):
        ended = subprocess.run(
            [sys.executable, "-c", script],
            env=environ | {"CALPATCH_LOG_LEVEL": level},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        said.append(ended.stderr)
    assert "canary" not in "".join(said)
    assert said[0].count("\n") == 1
    assert "RuntimeError at" in said[1]


@pytest.mark.parametrize(("typed", "code", "campaigns"), [("2", 0, 1), ("yes", 4, 0), ("", 4, 0)])
def test_a_person_confirms_by_typing_the_number_of_edits(
    typed: str, code: int, campaigns: int, tmp_path: Path, environ: dict[str, str]
) -> None:
    """Nobody types 4182 by habit, as they would type y."""
    store = a_store(tmp_path / "calpatch.db")
    account = NewAccount(sub="acc_1", access_token=b"a", refresh_token=b"r")
    store.accounts.import_all([account], actor="test")
    header = "account,calendar_id,event_uid,shift"
    lines = [f"acc_1,cal_1,{uid(number)},PT1H" for number in (1, 2)]
    (tmp_path / "edits.csv").write_text("\n".join([header, *lines]))
    ours, theirs = pty.openpty()
    command = [*CALPATCH, "submit", "edits.csv", "--key", "k", "--reason", "r", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    ) as process:
        os.close(theirs)
        said = b""
        while b"to submit: " not in said:
            said += os.read(ours, 1000)
        os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate(timeout=30)
    os.close(ours)
    assert b"2 edits for 1 account" in said
    assert b"Guests may get mail" in said
    assert (process.returncode, len(store.campaigns.newest())) == (code, campaigns)
    assert out.startswith(b"{" if campaigns else b"")


def test_work_becomes_a_celery_worker(environ: dict[str, str]) -> None:
    """A supervisor's signals reach the worker itself, and its exit code is the worker's."""
    assert worker_command(4)[3:] == [
        "-m", "celery", "-q", "-A", "tasks", "worker", "-P", "threads", "-c", "4",
        "--without-gossip",
        "--without-mingle", "-Q", QUEUES, "-l", "INFO",
    ]  # fmt: skip
    assert beat_command()[3:] == [
        "-m", "celery", "-q", "-A", "tasks", "beat", "-S", "celery.beat.Scheduler", "-l", "INFO",
    ]  # fmt: skip
    del environ["CALPATCH_VAULT_KEYS"]
    ended = subprocess.run(
        [*CALPATCH, "work"], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 7
    assert ended.stderr.startswith("calpatch: Not set: CALPATCH_VAULT_KEYS")
