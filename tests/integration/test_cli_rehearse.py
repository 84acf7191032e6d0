"""`calpatch rehearse` on files: it needs no settings, tells the truth, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.unit.cli.commands import heeding_ctrl_c
from worker.cli.main import run

pytestmark = [pytest.mark.redis, pytest.mark.slow]

COMMAND = [sys.executable, "-m", "worker.cli", "rehearse"]
TODAY = datetime.now(UTC).date()
DAY = TODAY + timedelta(days=10)

CAMPAIGN = f"""
version: 1
campaign: {{id: move, reason: The office opens later, owner: ops@acme.com}}
select:
  accounts: [acc_ann]
  between: {{from: {TODAY}, to: {TODAY + timedelta(days=30)}, tzid: Etc/UTC}}
  match: {{organizer: self}}
transform:
  - shift: {{by: PT1H}}
guards: {{max_changes: 3}}
run:
  schedule: {{at: {TODAY + timedelta(days=2)}T20:00, tzid: Etc/UTC}}
notify: {{webhook: "https://hooks.acme.com/calpatch", on: [planned, finished]}}
"""


def an_event(number: int, **fields: Any) -> dict[str, Any]:
    """Return an hour's meeting of Ann's, as Read Events has it."""
    ordinary = {
        "calendar_id": "cal_work",
        "event_uid": f"evt_external_{number}",
        "summary": f"Meeting {number}",
        "start": {"time": f"{DAY}T{8 + number:02}:00:00Z", "tzid": "Etc/UTC"},
        "end": {"time": f"{DAY}T{9 + number:02}:00:00Z", "tzid": "Etc/UTC"},
        "organizer": {"email": "ann@acme.com", "display_name": "Ann"},
        "attendees": [{"email": "bob@elsewhere.org", "status": "accepted"}],
        "options": {"delete": True, "update": True},
    }
    return ordinary | fields


EVENTS = [
    an_event(1),
    an_event(2, conferencing={"provider_name": "Zoom", "join_url": "https://zoom.example/1"}),
    an_event(3, recurring=True, series_identifier="ser_1"),
    an_event(4, options={"delete": True, "update": False}),
    an_event(5, event_id="own-1"),
    an_event(6, organizer={"email": "boss@acme.com"}),
    an_event(7, deleted=True),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a campaign and a saved answer, and a place for passing files."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "move.yaml").write_text(CAMPAIGN)
    page = {"pages": {"current": 1, "total": 1}, "events": EVENTS}
    (tmp_path / "events.json").write_text(json.dumps(page))
    return tmp_path


def environ(folder: Path) -> dict[str, str]:
    """Return an environment without any settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALPATCH_")}
    return kept | {"TMPDIR": str(folder / "tmp")}


FROM = ("--from", "events.json", "--address", "ann@acme.com")


def rehearse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does who has set nothing."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environ(folder), capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


def test_a_campaign_is_rehearsed_on_a_saved_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without settings: what would happen, to whom, at what cost, and what is left out of it."""
    ended = rehearse(folder, "move.yaml", *FROM, "--json", "--out", "out", "--keep")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["result"]["counts"]["by_code"] == {
        "event_locked": 1, "managed_event": 1, "recurring": 1, "verified": 2,
    }  # fmt: skip
    assert (told["plan"]["changes"], told["plan"]["people"]) == (2, 2)
    assert told["plan"]["warnings"]["conference_link"] == 1
    assert told["plan"]["cost"]["calls"] > 0
    assert told["sources"][0]["account"] == "acc_ann"
    assert (told["held"], told["look_at"], told["exit_code"]) == ("", [], 0)
    assert "tells its webhook, which the rehearsal does not" in told["in_earnest"]
    assert any(line.startswith("would begin to send at") for line in told["in_earnest"])
    first, *_, last = ended.stderr.splitlines()
    assert first == "Rehearsal: nothing real is touched, and nobody is mailed"
    assert last == "The rehearsal is over: nothing real was touched"
    _is_written(folder / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.json", "move.yaml", "out", "tmp",
    ]  # fmt: skip

    [kept] = (folder / "tmp").iterdir()
    assert f"remove it afterwards, rm -r {kept}" in ended.stderr
    assert kept.stat().st_mode & 0o077 == 0
    assert not (kept / "copy.jsonl").exists()
    _told_nobody(kept / "calpatch.db")
    monkeypatch.chdir(kept)
    for command in (["show", "--diff"], ["status"], ["why", "evt_external_1"], ["audit", "verify"]):
        assert run(command) == 0
    assert "evt_external_2" in capsys.readouterr().out


def _is_written(out: Path) -> None:
    """Hold the files of --out against the saved answer."""
    changes = (out / "changes.txt").read_text()
    assert f"{DAY} 09:00–10:00 → 10:00–11:00 Etc/UTC" in changes
    assert "evt_external_3" not in changes
    assert (out / "changes.txt").stat().st_mode & 0o077 == 0
    assert json.loads((out / "summary.json").read_text())["counts"]["total"] == 5


def _told_nobody(database: Path) -> None:
    """The campaign has a webhook, and a rehearsal must not start somebody's pipeline."""
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("SELECT count(*) FROM webhooks").fetchone() == (0,)
        assert opened.execute("SELECT notify FROM campaigns").fetchall() == [("",)]


def test_a_cap_holds_the_rehearsal_as_it_would_hold_the_run(folder: Path) -> None:
    """Nothing is sent, and a script sees the code that it would see."""
    (folder / "move.yaml").write_text(CAMPAIGN.replace("max_changes: 3", "max_changes: 1"))
    ended = rehearse(folder, "move.yaml", *FROM)
    assert ended.returncode == 4
    assert "Rehearsed: held, nothing was sent" in ended.stdout
    assert "2 changes are more than the 1 allowed" in ended.stdout
    assert "Raise the cap, under guards in the file" in ended.stdout
    assert "\n  would begin to send at " in ended.stdout
    assert [*(folder / "tmp").iterdir()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_rehearsal_that_is_ended_leaves_nothing(number: signal.Signals, folder: Path) -> None:
    """The copy holds people's events: it goes with the command, even when that is killed."""
    with (
        heeding_ctrl_c(),
        subprocess.Popen(
            [*COMMAND, "move.yaml", *FROM], cwd=folder, env=environ(folder),
            stderr=subprocess.PIPE, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stderr is not None
        while not [*(folder / "tmp").rglob("*.db")]:
            assert process.poll() is None
            Event().wait(0.01)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == (-number if number is signal.SIGKILL else 130)
    assert "Traceback" not in rest
    for _ in range(100):
        if not [*(folder / "tmp").iterdir()]:
            break
        Event().wait(0.1)
    assert [*(folder / "tmp").iterdir()] == []
    assert _processes_of(folder) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["move.yaml", "--account", "acc_1"], 2, "--account and --address are about files"),
        (["move.yaml", *FROM, "--account", "a", "--account", "b"], 2, "more --account than"),
        (["move.yaml", "--from", "nothing.ics"], 2, "the file cannot be read"),
        (["move.yaml", "--from", "move.yaml"], 2, "neither JSON nor JSON lines"),
        (["events.csv", *FROM], 2, "No file stands for account acc_2"),
        (["move.yaml"], 7, "There is no database"),
        (["wrong.yaml", *FROM], 2, "unknown key"),
    ],
)
def test_what_cannot_be_rehearsed_is_said_in_a_line(
    arguments: list[str], code: int, said: str, folder: Path
) -> None:
    """What is wrong and what to do; no stack trace, and nothing left behind."""
    (folder / "wrong.yaml").write_text(CAMPAIGN.replace("owner:", "boss:"))
    header = "account,calendar_id,event_uid,shift"
    rows = [f"acc_{number},cal_work,evt_external_1,PT1H" for number in (1, 2)]
    (folder / "events.csv").write_text("\n".join([header, *rows]) + "\n")
    ended = rehearse(folder, *arguments)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [*(folder / "tmp").iterdir()] == []


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work in a folder (Linux; elsewhere none)."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            inside = str(link.readlink()).startswith(str(folder))
        except OSError:
            continue
        if inside:
            found.append((link.parent / "cmdline").read_text())
    return found
