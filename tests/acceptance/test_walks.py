"""README's three walks, taken as they stand there by somebody who knows nothing else.

Between the commands the calendars are looked at: what the commands say is not what is judged.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fleet import ROOT, Fleet, a_fleet
from tests.runs import slowly

_BLOCK = re.compile(
    r"<!-- walk: (?P<walk>[^>]*?) -->\n```console\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
#: a made-up world like the quick start's, whose provider shows a write after a moment
WORLD = ["--accounts", "3", "--events", "40", "--rate", "off", "--behaviour", "lag_s=0.2"]
#: what no command of a walk takes as long as
WITHIN_S = 120
#: who else uses the machine
COLLEAGUE = "colleague"
#: what the provider notes by itself
BOOKKEEPING = frozenset({"updated"})
#: seconds that a request takes while somebody is to come in time to pause the campaign
SLOW_S = 6.0


@dataclass(frozen=True, slots=True)
class Said:
    """A command of a walk that has ended: its code, and what it said on both streams."""

    code: int
    out: str
    err: str


def steps(walk: str) -> Iterator[tuple[str, bool]]:
    """Yield the commands of a walk in README's order, and whether somebody else gives them."""
    found = False
    for block in _BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
        name, _, who = block["walk"].partition(", ")
        if name != walk:
            continue
        found = True
        for command in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            yield command.rstrip("\n"), who == "as another user"
    assert found, f"README has no walk {walk}"


class Walk:
    """A shell in the fleet's folder, in which `calpatch` and `python3` are this environment's."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet = fleet
        self._steps = steps(name)
        bin_ = fleet.folder / "bin"
        bin_.mkdir()
        for command, module in (("calpatch", "-m worker.cli"), ("python3", "")):
            script = bin_ / command
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
            script.chmod(0o755)
        self._environ = fleet.environ | {
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "LOGNAME": "ann", "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def upto(self, beginning: str, *, typed: str = "") -> Said:
        """Run all commands up to the one that begins so, which must end well as all before.

        With `typed` the last one has a terminal, on which this is typed at its question.
        """
        for command, by_another in self._steps:
            is_last = command.startswith(beginning)
            environ = self._environ | ({"LOGNAME": COLLEAGUE} if by_another else {})
            run = self._on_a_terminal if typed and is_last else self._run
            said = run(command, environ, typed)
            assert said.code == 0, f"$ {command}\n{said.out}\n{said.err}"
            assert "Traceback" not in said.out + said.err
            if is_last:
                return said
        raise AssertionError(f"no command of the walk begins with {beginning}")

    def is_over(self) -> bool:
        """Tell whether every command of the walk has been run."""
        return next(self._steps, None) is None

    def _run(self, command: str, environ: dict[str, str], _: str) -> Said:
        ended = subprocess.run(
            ["bash", "-c", command], cwd=self.fleet.folder, env=environ, capture_output=True,
            text=True, timeout=WITHIN_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Said(ended.returncode, ended.stdout, ended.stderr)

    def _on_a_terminal(self, command: str, environ: dict[str, str], typed: str) -> Said:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self.fleet.folder, env=environ, stdin=theirs,
            stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        shown, until_s = "", time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            ready, _, _ = select.select([ours], [], [], 0.2)
            try:
                some = os.read(ours, 65536) if ready else b""
            except OSError:  # the other end is closed
                break
            shown += some.decode(errors="replace")
            question = re.search(r"Type (\d+) to begin: $", shown)
            if question and typed:
                os.write(ours, f"{typed.format(number=question[1])}\n".encode())
                typed = ""
        os.close(ours)
        return Said(process.wait(timeout=WITHIN_S), shown, "")


@pytest.fixture
def fleet(tmp_path: Path, sqlite_url: str) -> Iterator[Fleet]:
    with a_fleet(tmp_path, sqlite_url, simulate=WORLD, workers=1) as started:
        yield started


def events(fleet: Fleet) -> dict[tuple[str, str], dict[str, object]]:
    """Return what people see in their calendars, by calendar and uid."""
    return {
        (each["calendar_id"], each["event_uid"]): {
            name: _named(value) for name, value in each["event"].items() if name not in BOOKKEEPING
        }
        for each in fleet.simulator_lines("events")
    }


def _named(value: object) -> object:
    """Return a value; of a place its name, since the coordinates go when it gets another one."""
    return value.get("description") if isinstance(value, dict) and "description" in value else value


def writes(fleet: Fleet) -> int:
    """Return how many edits the API has been sent."""
    return len(fleet.simulator_lines("writes"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_office_moves_and_moves_back(fleet: Fleet) -> None:
    """YAML, rehearsal, plan, HTML, two people, canary, pause, resume, proof, undo."""
    walk, before = Walk(fleet, "office"), events(fleet)
    walk.upto("calpatch show office-move --html")
    assert "<svg" in (fleet.folder / "plan.html").read_text(encoding="utf-8")
    assert writes(fleet) == 0

    walk.upto("calpatch approve")
    assert writes(fleet) == 0
    slowly(fleet, SLOW_S)
    walk.upto("calpatch pause")
    fleet.control("faults", None, method="DELETE")
    assert "paused" in walk.upto("calpatch status").out
    walk.upto("calpatch results")
    kept = json.loads((fleet.folder / "moved" / "summary.json").read_text(encoding="utf-8"))
    assert len(kept["plan"]["approvals"]) == 2
    moved = events(fleet)
    changed = {key for key in before if moved[key] != before[key]}
    assert len(changed) > 20
    assert writes(fleet) == len(changed)

    walk.upto("calpatch undo")
    assert events(fleet) == moved
    walk.upto("calpatch audit verify")
    assert events(fleet) == before
    assert writes(fleet) == 2 * len(changed)
    assert walk.is_over()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_nightly_job_changes_nothing_twice(fleet: Fleet) -> None:
    """JSONL under caps; the second night only reads, and the same night again does nothing."""
    walk = Walk(fleet, "nightly")
    walk.upto("calpatch submit")
    first = writes(fleet)
    assert first > 0

    walk.upto("calpatch submit")
    calls = len(fleet.simulator_lines("requests"))
    assert writes(fleet) == first
    walk.upto("calpatch submit")
    assert len(fleet.simulator_lines("requests")) == calls
    assert walk.is_over()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_administrator_has_a_list(fleet: Fleet) -> None:
    """CSV, diff, typed confirmation, results, why."""
    walk, before = Walk(fleet, "admin"), events(fleet)
    walk.upto("calpatch show anns-list --group-by")
    assert events(fleet) == before

    walk.upto("calpatch apply", typed="{number}")
    after = events(fleet)
    assert any(after[key] != before[key] for key in before)
    story = walk.upto("calpatch why").out
    assert "verified" in story
    walk.upto("calpatch audit search")
    assert walk.is_over()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wrong_number_begins_nothing(fleet: Fleet) -> None:
    """Who types something else did not mean it."""
    walk, before = Walk(fleet, "admin"), events(fleet)
    walk.upto("calpatch show anns-list --group-by")
    with pytest.raises(AssertionError, match="nothing was begun"):
        walk.upto("calpatch apply", typed="1{number}")
    assert events(fleet) == before
