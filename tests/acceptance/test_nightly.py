"""README's ways of a job, run as they stand there: script, Python, task, webhook, Airflow."""

from __future__ import annotations

import ast
import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import ROOT, Fleet, a_fleet, pause

_BLOCK = re.compile(r"<!-- nightly: (\w+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORLD = ["--accounts", "3", "--events", "40", "--rate", "off", "--behaviour", "lag_s=0.2"]
SECRET = "shared with the receiver"
LINE = re.compile(
    r"c_\w+ \S+ [a-z_]+: [\d,]+ edits?: (?:[\d,]+ [a-z_]+(?:, )?)+; "
    r"[\d,]+ API calls?, \S+(?:; .+)?\n"
)


def block(name: str) -> str:
    """Return one of README's blocks."""
    blocks = dict(_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    return str(blocks[name])


class Hook(BaseHTTPRequestHandler):
    """A receiver that judges each message as README says."""

    told: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_ours = verifier()(body, self.headers["Calpatch-Signature"], SECRET)
        self.told.append(json.loads(body) | {"is_ours": is_ours})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def a_hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Listen; gives the address, and what comes."""
    told: list[dict[str, Any]] = []
    server = HTTPServer(("127.0.0.1", 0), type("OneHook", (Hook,), {"told": told}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def verifier() -> Any:
    """Return README's function."""
    found: dict[str, Any] = {}
    exec(block("verifier"), found)
    return found["is_ours"]


@pytest.fixture
def fleet(tmp_path: Path, sqlite_url: str) -> Iterator[Fleet]:
    settings = {
        "CALPATCH_WEBHOOK_SECRET": SECRET,
        "CALPATCH_WEBHOOK_HOSTS": "127.0.0.1",
        "CALPATCH_INBOX": str(tmp_path),
    }
    with a_fleet(tmp_path, sqlite_url, simulate=WORLD, workers=1, settings=settings) as started:
        yield started


def writes(fleet: Fleet) -> int:
    """Return how many edits the API has been sent."""
    return len(fleet.simulator_lines("writes"))


def requests(fleet: Fleet) -> int:
    """Return how many calls the API has been sent."""
    return len(fleet.simulator_lines("requests"))


def rows(fleet: Fleet, name: str = "edits.jsonl", *, room: str = "Building C") -> int:
    """Write the night's file for all that the simulator lets be edited; returns its lines."""
    import csv

    with (fleet.folder / "edits.csv").open(encoding="utf-8", newline="") as file:
        names = ("account", "calendar_id", "event_uid", "date_hint", "ref")
        read = [{name: row[name] for name in names} for row in csv.DictReader(file)]
    lines = [json.dumps(row | {"set": {"location": room}}) for row in read]
    (fleet.folder / name).write_text("\n".join(lines), encoding="utf-8")
    return len(lines)


def on_path(fleet: Fleet) -> None:
    """Have README's script find the command where it looks for it."""
    bin_ = fleet.folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    command = bin_ / "calpatch"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m worker.cli "$@"\n')
    command.chmod(0o755)


def run(fleet: Fleet, *command: str) -> subprocess.CompletedProcess[str]:
    """Run something in the folder where the job is."""
    return subprocess.run(
        command, cwd=fleet.folder, env=fleet.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_script_runs_night_after_night(fleet: Fleet) -> None:
    """The second night changes nothing and only reads; the same night again costs no call."""
    on_path(fleet)
    (fleet.folder / "nightly.sh").write_text(block("script"))
    total = rows(fleet)
    first = run(fleet, "sh", "nightly.sh", "2026-11-23")
    assert first.returncode == 0, first.stderr
    assert "3x-median does not apply yet" in first.stderr
    status = json.loads((fleet.folder / "status.json").read_text())
    changed = status["counts"]["by_status"]["verified"]
    assert (status["state"], status["counts"]["total"]) == ("completed", total)
    assert writes(fleet) == changed > 0
    assert (fleet.folder / "results" / "2026-11-23" / "summary.json").exists()

    calls = requests(fleet)
    second = run(fleet, "sh", "nightly.sh", "2026-11-24")
    status = json.loads((fleet.folder / "status.json").read_text())
    assert second.returncode == 0, second.stderr
    assert (writes(fleet), status["counts"]["by_status"]["unchanged"]) == (changed, changed)
    assert 0 < requests(fleet) - calls < changed, "reads of windows, shared by many"

    calls = requests(fleet)
    assert run(fleet, "sh", "nightly.sh", "2026-11-24").returncode == 0
    assert run(fleet, "sh", "nightly.sh", "2026-11-22").returncode == 4
    assert requests(fleet) == calls


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_night_beyond_its_cap_is_held_told_and_begun_by_somebody(fleet: Fleet) -> None:
    """Nothing is written before that; the night after it waits as well."""
    rows(fleet)
    with a_hook() as (url, told):
        night = ("--job", "nightly", "--reason", "r", "--yes", "--wait", "60s", "--webhook", url)
        held = fleet.calpatch("submit", "edits.jsonl", *night, "--for", "2026-11-23",
                              "--max-changes", "5")  # fmt: skip
        assert held.returncode == 4, held.stderr
        assert LINE.fullmatch(held.stdout)
        assert "changes are more than the 5 allowed" in held.stdout
        assert writes(fleet) == 0
        rows(fleet, "next.jsonl", room="Building D")
        next_ = fleet.calpatch("submit", "next.jsonl", *night, "--for", "2026-11-24")
        assert next_.returncode == 4
        assert "still has a run open" in next_.stderr
        begun = fleet.calpatch("apply", "nightly-2026-11-23", "--max-changes", "500", "--reason",
                               "looked at it", "--yes", "--wait", "60s")  # fmt: skip
        assert begun.returncode == 0, begun.stderr
        again = fleet.calpatch("submit", "next.jsonl", *night, "--for", "2026-11-24")
        assert again.returncode == 0, again.stderr
        assert LINE.fullmatch(again.stdout)
        _wait_for(lambda: len(told) >= 3)
    assert [(each["event"], each["for"], each["is_ours"]) for each in told] == [
        ("campaign.held", "2026-11-23", True),
        ("campaign.finished", "2026-11-23", True),
        ("campaign.finished", "2026-11-24", True),
    ]
    assert all("Building" not in json.dumps(each) for each in told)


def _wait_for(holds: Any, *, within_s: float = 20.0) -> None:
    for _ in range(int(within_s / 0.1)):
        if holds():
            return
        pause(0.1)
    raise AssertionError("it has not come")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_campaign_file_runs_by_itself_within_its_caps(fleet: Fleet) -> None:
    """Also on a night on which nothing is selected, which is recorded; two people stay two."""
    text = """
version: 1
campaign: {id: rooms, reason: r, job: rooms}
select:
  accounts: all
  between: {from: P1D, to: P8W, tzid: Europe/Paris}
transform:
  - append: {field: location, text: " (C)"}
"""
    campaign = fleet.folder / "rooms.yaml"
    campaign.write_text(text)
    night = ("submit", "rooms.yaml", "--yes", "--wait", "60s", "--error-on-noop")
    first = fleet.calpatch(*night, "--for", "2026-11-23")
    assert first.returncode in {0, 3}, first.stderr
    changed = writes(fleet)
    assert changed > 20
    calls = requests(fleet)
    assert fleet.calpatch(*night, "--for", "2026-11-23").returncode == first.returncode
    assert requests(fleet) == calls
    assert _calls(fleet) == calls

    second = fleet.calpatch(*night, "--for", "2026-11-24")
    assert second.returncode == 9, second.stderr
    assert writes(fleet) == changed
    assert _calls(fleet) == requests(fleet) - calls
    calls = requests(fleet)

    campaign.write_text(text.replace("accounts: all", "accounts: all\n  match: {summary: Nope}"))
    nothing = fleet.calpatch(*night, "--for", "2026-11-25")
    assert nothing.returncode == 9, nothing.stderr
    assert " completed: 0 edits: nothing to do; " in nothing.stdout
    assert _calls(fleet) == requests(fleet) - calls > 0

    campaign.write_text(
        text.replace(" (C)", " (D)") + "run: {approval: {second_person_above: 3}}\n"
    )
    two = fleet.calpatch(*night, "--for", "2026-11-26")
    assert two.returncode == 4
    assert "more than the 3 that one person may begin" in two.stdout
    assert writes(fleet) == changed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_dies_while_it_submits_loses_nothing(fleet: Fleet) -> None:
    """Before anything is stored, and after: the message comes again, and is the same key twice."""
    files = ("commit.before.jsonl", "commit.after.jsonl")
    fleet.workers[0].kill()
    for file in files:
        rows(fleet, file, room=file)
        sender = block("celery").replace("crm.jsonl", file).replace('"crm"', f'"{file}"')
        sender = sender.replace("redis://127.0.0.1:6379/0", fleet.environ["CALPATCH_REDIS_URL"])
        assert run(fleet, sys.executable, "-c", sender).returncode == 0
    for _ in files:
        assert (
            fleet.start_worker(app="tests.doomed", concurrency=1).wait(timeout=60)
            == -signal.SIGKILL
        )
    fleet.start_worker(app="tests.doomed", concurrency=1)
    for file in files:
        _wait_for((fleet.folder / f"{file}.result.json").exists, within_s=60)
    submitted = fleet.store.campaigns.newest()
    assert sorted(each.job for each in submitted) == sorted(files)
    for each in submitted:
        assert fleet.calpatch("status", each.id, "--watch").returncode == 0
    assert not fleet.store.audit.verify()[1]


def _calls(fleet: Fleet) -> int:
    """Return the calls that the newest campaign is said to have made, the selection's included."""
    ended = fleet.calpatch("status", "--latest", "--json")
    found: int = json.loads(ended.stdout)["api_calls"]["total"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_programs_submit_from_python_and_by_a_task(fleet: Fleet) -> None:
    """README's snippets, as they stand there; a message that comes twice submits once."""
    rows(fleet, "crm.jsonl")
    sender = block("celery").replace(
        "redis://127.0.0.1:6379/0", fleet.environ["CALPATCH_REDIS_URL"]
    )
    for _ in range(2):
        sent = run(fleet, sys.executable, "-c", sender)
        assert sent.returncode == 0, sent.stderr
    answer = fleet.folder / "crm.jsonl.result.json"
    _wait_for(answer.exists)
    campaign = json.loads(answer.read_text())["campaign"]
    ended = fleet.calpatch("status", campaign, "--watch")
    assert ended.returncode == 0, ended.stderr
    assert len(fleet.store.campaigns.newest()) == 1

    script = block("python")
    refused = run(fleet, sys.executable, "-c", script)
    assert (refused.returncode, refused.stderr) == (0, "")
    assert "line 1, account 'acc_1'" in refused.stdout
    names = ("account", "calendar_id", "event_uid")
    first = json.loads((fleet.folder / "crm.jsonl").read_text().splitlines()[0])
    for name, sample in zip(names, ("acc_1", "cal_1", "evt_external_1"), strict=True):
        script = script.replace(f'"{sample}"', f'"{first[name]}"')
    late = run(fleet, sys.executable, "-c", script)
    assert "Job crm has been run for 2026-11-24 already" in late.stdout
    done = run(fleet, sys.executable, "-c", script.replace("2026-11-23", "2026-11-25"))
    assert re.fullmatch(r"c_\w+ saved\n", done.stdout), done.stderr
    again = run(fleet, sys.executable, "-c", script.replace("2026-11-23", "2026-11-25"))
    assert again.stdout.endswith(" known already\n")


def test_the_verifier_refuses_what_is_not_ours() -> None:
    """Other words, another secret, an old message, and no signature at all."""
    from datetime import UTC, datetime, timedelta

    from worker.notify import signature

    is_ours, now = verifier(), datetime.now(UTC)
    signed = signature('{"a":1}', secret=SECRET, at=now)
    assert is_ours(b'{"a":1}', signed, SECRET)
    assert not is_ours(b'{"a":2}', signed, SECRET)
    assert not is_ours(b'{"a":1}', signed, "another")
    old = signature('{"a":1}', secret=SECRET, at=now - timedelta(minutes=6))
    assert not is_ours(b'{"a":1}', old, SECRET)
    assert not any(is_ours(b"{}", text, SECRET) for text in ("", "t=1", "v1=", "t=ä,v1=ö", ",=,"))


def test_the_dag_is_python_whose_command_the_cli_takes() -> None:
    """Airflow itself is not here: the file is parsed, and its command read as a shell does."""
    from typer.main import get_command

    from worker.cli.main import app

    tree = ast.parse(block("airflow"))
    [operator] = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "BashOperator"
    ]  # fmt: skip
    given = {each.arg: each.value for each in operator.keywords}
    text = ast.literal_eval(given["bash_command"]).replace("{{ ds }}", "2026-11-23")
    program, verb, *arguments = shlex.split(text)
    assert (program, verb) == (".venv/bin/calpatch", "submit")
    command = get_command(app).commands["submit"]  # type: ignore[attr-defined]
    with command.make_context("submit", arguments) as context:
        assert (context.params["job"], context.params["day"]) == ("nightly", "2026-11-23")
        assert (context.params["yes"], context.params["error_on_noop"]) == (True, True)
    assert ast.literal_eval(given["skip_on_exit_code"]) == 9
