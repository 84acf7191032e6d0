"""The control API, the log, and the simulator as a process of its own."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.worlds import (
    ANN,
    WORK,
    Caller,
    a_body,
    a_world,
    an_event,
    calling,
    uid,
)
from worker.simulator import Behaviour, Simulator, read_rate
from worker.simulator.__main__ import main
from worker.simulator.behaviour import changed_behaviour, read_switches
from worker.simulator.options import read_options
from worker.simulator.records import Journal
from worker.simulator.serve import build_world

CLUB = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART:20200106T090000Z
DTEND:20200106T100000Z
SUMMARY:First
END:VEVENT
END:VCALENDAR
"""


async def lines(ann: Caller, path: str) -> list[Any]:
    """The objects of a JSON lines answer."""
    status, text = await ann.call("GET", path)
    assert status == 200
    return [json.loads(line) for line in text.splitlines()]


async def test_the_state_tells_the_world_without_its_tokens() -> None:
    """A person can look at what is simulated; tokens are not shown."""
    async with calling(a_world(an_event())) as ann:
        _, state = await ann.call("GET", "/_sim/state?events=true")
        assert state["summary"]["events"] == len(state["events"]) == 1
        assert state["behaviour"]["page_size"] == 300
        assert f"access-{ANN}" not in json.dumps(state)


async def test_events_come_with_their_initial_image() -> None:
    """What a test compares after a run: what was, what is, and whether they differ."""
    async with calling(a_world(an_event(1), an_event(2), lag_s=0)) as ann:
        await ann.edit(a_body())
        changed, same = await lines(ann, "/_sim/events")
        assert (changed["sub"], changed["changed"], same["changed"]) == (ANN, True, False)
        assert changed["initial"]["start"] == "2026-03-03T09:00:00Z"
        assert changed["event"]["start"] == "2026-03-03T10:00:00Z"


async def test_requests_and_writes_are_listed_in_part() -> None:
    """Long runs are read in pieces."""
    async with calling(a_world(an_event())) as ann:
        for _ in range(3):
            await ann.edit(a_body())
        assert len(await lines(ann, "/_sim/writes")) == 3
        (second,) = await lines(ann, "/_sim/requests?after=1&limit=1")
        assert (second["route"], second["status"], second["sub"]) == ("edit", 202, ANN)


async def test_stats_count_routes_windows_and_refusals() -> None:
    """What a limiter's test and a person want to know first."""
    async with calling(a_world(an_event(), rate=((2, 1.0),))) as ann:
        for _ in range(3):
            await ann.edit(a_body())
        _, stats = await ann.call("GET", "/_sim/stats")
        assert stats["requests"] == {"edit 202": 2, "edit 429": 1}
        assert (stats["busiest"]["1s"], stats["busiest_with_refused"]["1s"]) == (2, 3)
        assert (stats["refused"], stats["writes"], stats["writes_pending"]) == (1, 2, 2)


async def test_a_person_edits_and_deletes_by_the_control_api() -> None:
    """People change their calendars in between."""
    async with calling(a_world(an_event())) as ann:
        key = {"calendar_id": WORK, "event_uid": uid(1)}
        fields = {
            "start": "2026-03-04",
            "end": "2026-03-05",
            "location": "Home",
            "event_private": True,
        }
        status, shown = await ann.call("POST", "/_sim/events/edit", json=key | {"fields": fields})
        assert (status, shown["start"], shown["location"]) == (
            200,
            "2026-03-04",
            {"description": "Home"},
        )
        await ann.call("POST", "/_sim/events/delete", json=key)
        assert ann.sim.event(WORK, uid(1)).deleted


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("events/edit", {"calendar_id": WORK, "event_uid": uid(9), "fields": {}}, 404),
        ("events/edit", {"calendar_id": WORK, "event_uid": uid(1), "fields": {"colour": 1}}, 422),
        ("events/move", {"calendar_id": WORK, "event_uid": uid(1)}, 404),
        ("behaviour", {"page_size": "many"}, 422),
        ("behaviour", {"pagesize": 2}, 422),
        (f"accounts/{ANN}", {"set": "asleep"}, 422),
        ("accounts/acc_nobody", {"set": "expired"}, 404),
        ("faults", {"act": {"do": "explode"}}, 422),
        ("nothing", {}, 404),
    ],
)
async def test_a_bad_control_call_is_told_in_a_line(path: str, body: Any, status: int) -> None:
    """The tool's user gets one line to act on."""
    async with calling(a_world(an_event())) as ann:
        seen, text = await ann.call("POST", f"/_sim/{path}", json=body)
        assert (seen, text.count("\n")) == (status, 1)


async def test_switches_change_while_it_runs() -> None:
    """A test may change its mind in the middle."""
    async with calling(a_world(an_event(1), an_event(2))) as ann:
        _, now = await ann.call("POST", "/_sim/behaviour", json={"page_size": 1, "rate": "9/s"})
        assert (now["page_size"], now["rate"]) == (1, [[9, 1.0]])
        _, page = await ann.call("GET", "/v1/events?tzid=Etc/UTC")
        assert page["pages"]["total"] == 2


async def test_faults_are_armed_listed_and_cleared() -> None:
    """The script's form, sent by HTTP."""
    async with calling(a_world()) as ann:
        fault = {
            "match": {"route": "calendars", "times": None},
            "act": {"do": "reply", "status": 500},
        }
        assert await ann.call("POST", "/_sim/faults", json=[fault]) == (200, {"added": 1})
        assert (await ann.call("GET", "/v1/calendars"))[0] == 500
        ((shown),) = (await ann.call("GET", "/_sim/faults"))[1]
        assert (shown["seen"], shown["fired"]) == (1, 1)
        await ann.call("DELETE", "/_sim/faults")
        assert (await ann.call("GET", "/v1/calendars"))[0] == 200


async def test_an_account_is_expired_revoked_and_narrowed() -> None:
    """Row 18 by hand."""
    async with calling(a_world()) as ann:
        path = f"/_sim/accounts/{ANN}"
        await ann.call("POST", path, json={"scope": "read_account"})
        assert (await ann.call("GET", "/v1/calendars"))[0] == 403
        await ann.call("POST", path, json={"set": "expired"})
        assert (await ann.call("GET", "/v1/calendars"))[0] == 401
        _, shown = await ann.call("POST", path, json={"set": "revoked"})
        assert shown["revoked"]
        await ann.call("POST", path, json={"set": "enterprise"})
        assert ann.sim.accounts[ANN].enterprise


async def test_waiting_writes_can_be_hurried() -> None:
    """A test need not sleep through a lag of hours."""
    async with calling(a_world(an_event(), lag_s=9000)) as ann:
        await ann.edit(a_body())
        _, summary = await ann.call("POST", "/_sim/settle", json={})
        assert summary["writes_pending"] == 0
        assert ann.sim.event(WORK, uid(1)).start.hour == 10


async def test_the_log_is_json_lines_without_tokens(tmp_path: Path) -> None:
    """Every request and write, readable while it runs, without what must not leak."""
    path = tmp_path / "simulator.jsonl"
    with Journal(path) as journal:
        world = a_world(an_event())
        world.journal = journal
        async with calling(world) as ann:
            await ann.edit(a_body())
            logged = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each["kind"] for each in logged] == ["write", "request"]
    assert f"access-{ANN}" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("50/s,500/min", ((50, 1.0), (500, 60.0))),
        (" 9/h ", ((9, 3600.0),)),
        ("5/s,100/12s", ((5, 1.0), (100, 12.0))),
        ("off", ()),
        ("", ()),
    ],
)
def test_a_rate_is_read(text: str, windows: Any) -> None:
    """The form that the command line takes."""
    assert read_rate(text) == windows


@pytest.mark.parametrize("text", ["50", "x/s", "5/day", "-1/s"])
def test_a_bad_rate_is_refused(text: str) -> None:
    """A limit that was mistyped must not become none."""
    with pytest.raises(ValueError, match="rate"):
        read_rate(text)


def test_switches_are_read_from_pairs() -> None:
    """Numbers, booleans, texts and rates from key=value."""
    pairs = ["lag_s=2", "beyond_window=clamp", "extra_keys=true", "latency_s=[0.1,0.2]", "rate=1/s"]
    behaviour = changed_behaviour(Behaviour(), read_switches(pairs))
    assert (behaviour.lag_s, behaviour.beyond_window, behaviour.extra_keys) == (2.0, "clamp", True)
    assert (behaviour.latency_s, behaviour.rate) == ((0.1, 0.2), ((1, 1.0),))


@pytest.mark.parametrize(
    "arguments", [["--rate", "fast"], ["--behaviour", "lag=2"], ["--port", "x"]]
)
def test_a_bad_command_line_exits_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line on stderr."""
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_process_serves_writes_its_files_and_ends_cleanly(tmp_path: Path) -> None:
    """What tests and people start: a ready line, both CSVs, SIGTERM."""
    accounts, edits = tmp_path / "accounts.csv", tmp_path / "edits.csv"
    command = ["--port", "0", "--accounts", "2", "--events", "20"]
    files = ["--accounts-out", str(accounts), "--edits-out", str(edits), "--edits-limit", "7"]
    with _process(*command, *files) as process:
        assert process.stderr
        ready = process.stderr.readline()
        assert ready.startswith("calpatch simulator listening on http://127.0.0.1:")
        url = ready.split()[4]
        (first, _) = rows(accounts)
        request = urllib.request.Request(
            f"{url}/v1/calendars", headers={"Authorization": f"Bearer {first['access_token']}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["sub"] == first["sub"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert len(rows(edits)) == 7


def test_a_process_with_a_bad_fault_script_says_so(tmp_path: Path) -> None:
    """Exit 2, one line, no server."""
    script = tmp_path / "faults.json"
    script.write_text('[{"act": {"do": "explode"}}]')
    with _process("--port", "0", "--faults", str(script)) as process:
        assert process.wait(10) == 2
        assert process.stderr
        assert "faults.json: entry 1" in process.stderr.read()


def test_a_user_edit_of_an_unknown_field_is_refused() -> None:
    """A typo in a test's scene must not pass unseen."""
    sim: Simulator = a_world(an_event())
    with pytest.raises(ValueError, match="colour"):
        sim.edit_as_user(WORK, uid(1), colour="red")
    with pytest.raises(ValueError, match="a Date or a Time"):
        sim.edit_as_user(WORK, uid(1), start="noon")


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _process(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "worker.simulator", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_world_is_built_as_the_options_say(tmp_path: Path) -> None:
    """People, real calendars, faults and both files from one value."""
    (tmp_path / "faults.json").write_text('{"act": {"do": "reset"}}')
    (tmp_path / "club.ics").write_text(CLUB.replace("\n", "\r\n"))
    club, faults = str(tmp_path / "club.ics"), str(tmp_path / "faults.json")
    accounts, edits = tmp_path / "accounts.csv", tmp_path / "edits.csv"
    size = ["--accounts", "2", "--events", "3", "--seed", "7", "--today", "2026-09-01"]
    files = ["--accounts-out", str(accounts), "--edits-out", str(edits)]
    options = read_options([*size, *files, "--ics", club, "--faults", faults, "--rate", "off"])
    sim = Simulator(options.behaviour)
    build_world(sim, options)
    assert (len(sim.accounts), len(sim.events), len(sim.faults.faults)) == (3, 7, 1)
    assert (sim.behaviour.seed, sim.behaviour.rate) == (7, ())
    assert len(rows(accounts)) == 3
    # Every event, and one that nobody knows.
    assert len(rows(edits)) == 8


def test_a_missing_file_ends_with_two_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is said, not traced."""
    monkeypatch.setattr(sys, "argv", ["simulator", "--faults", str(tmp_path / "none.json")])
    assert main() == 2
    assert "none.json" in capsys.readouterr().err
