"""Processes and what they cost: processor time and memory as Linux tells them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.benchmarks.scenarios import Scenario

ROOT = Path(__file__).parents[2]
_TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def a_provider(scenario: Scenario, folder: Path) -> Iterator[tuple[str, int]]:
    """Serve a scenario from a process of its own; yields its address and process id.

    `accounts.csv` and `edits.csv` lie in the folder then.
    """
    command = [
        sys.executable, "-m", "tests.benchmarks.world",
        str(folder), msgspec.json.encode(scenario).decode(),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "listening on " in line, line + process.stderr.read()
        yield line.split("listening on ")[1].split()[0], process.pid
    finally:
        stop(process)
        process.communicate(timeout=30)


@contextmanager
def a_script(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of our modules that says `go` and `done`; it is under way when the block begins."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        _expect(process, "go", within_s=120.0)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def is_done(process: subprocess.Popen[str], *, within_s: float) -> bool:
    """Wait until a script says `done`; False when the time is over before."""
    try:
        _expect(process, "done", within_s=within_s)
    except TimeoutError:
        return False
    return True


def _expect(process: subprocess.Popen[str], word: str, *, within_s: float) -> None:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], max(0.0, within_s))[0]:
        raise TimeoutError(word)
    said = process.stdout.readline().strip()
    if said != word:
        raise RuntimeError(f"{process.args!r} ended: expected {word!r}, got {said!r}")


@contextmanager
def a_process(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background, with its words in a file."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(command), cwd=ROOT, env={**os.environ, **environ}, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        stop(process, stop_signal)


def stop(
    process: subprocess.Popen[bytes] | subprocess.Popen[str],
    stop_signal: signal.Signals = signal.SIGTERM,
) -> None:
    """End a process, politely first."""
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s(*pids: int) -> float:
    """Return the processor time that processes have used so far, without their children's."""
    return sum(_cpu_s(pid) for pid in pids)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def peak_rss_mb(*pids: int) -> float:
    """Return the most memory that one of the processes has had resident."""
    return max((_peak_rss_mb(pid) for pid in pids), default=0.0)


def _peak_rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
