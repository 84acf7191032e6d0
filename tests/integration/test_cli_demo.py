"""The demo end to end: it proves what it claims, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import heeding_ctrl_c

pytestmark = [pytest.mark.redis, pytest.mark.slow]

COMMAND = [sys.executable, "-m", "worker.cli", "demo", "--accounts", "2", "--events", "30"]


def test_the_demo_holds_and_writes_its_results(tmp_path: Path) -> None:
    """The first thing that a new user runs."""
    ended = subprocess.run(
        [*COMMAND, "--out", "out"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "✗" not in ended.stdout
    assert ended.stdout.count("✓") >= 12
    assert "All of it holds" in ended.stderr
    assert (tmp_path / "out" / "summary.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_ended_takes_its_children_along(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Servers and workers that stay behind would eat the machine, run by run."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with (
        heeding_ctrl_c(),
        subprocess.Popen(
            COMMAND, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        assert any("edits submitted" in line or "running" in line for line in process.stderr)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert list(tmp_path.glob("calpatch-*")) == []
    assert _processes_of(tmp_path) == []


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
