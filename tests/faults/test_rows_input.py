"""Row 30: a file far larger than memory is checked within little of it.

The usual run takes CALPATCH_TEST_CSV_MB=40; 1000 are just under the 10,000,000 edits of a file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import complete_settings
from worker.store import Database, migrate

MB = 1_000_000
SIZE_MB = int(os.environ.get("CALPATCH_TEST_CSV_MB", "40"))
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
HEAD = "account,calendar_id,event_uid,date_hint,shift,x_note\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.row(30)
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes there")
def test_a_huge_file_is_checked_within_200_mb(tmp_path: Path) -> None:
    """What `calpatch validate` needs at its peak does not grow with the file."""
    database = Database(f"sqlite:///{tmp_path / 'calpatch.db'}")
    migrate(database)
    database.dispose()
    lines = _write(tmp_path / "edits.csv", SIZE_MB * MB)
    subs = "".join(f"acc_{n},access-{n},refresh-{n}\n" for n in range(50))
    (tmp_path / "accounts.csv").write_text(f"sub,access_token,refresh_token\n{subs}")
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CALPATCH_")}
    environ = kept | complete_settings()
    calpatch = [sys.executable, "-m", "worker.cli"]
    command = [*calpatch, "accounts", "import", "accounts.csv"]
    subprocess.run(command, env=environ, cwd=tmp_path, check=True, capture_output=True)
    # By a small process between: at its start a process counts the memory of whoever forked it.
    measured = [sys.executable, "-c", MEASURE, *calpatch, "validate", "edits.csv"]
    done = subprocess.run(
        measured, env=environ, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert f"{lines:,}" in done.stdout + done.stderr, done.stderr[-2000:]
    peak_kb = int(done.stdout.splitlines()[-1])
    assert peak_kb < 200_000, f"{peak_kb:,} kB"


def _write(path: Path, size: int) -> int:
    """Write a file of that size; returns how many edits it has."""
    lines = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        while file.tell() < size:
            file.writelines(
                f"acc_{n % 50},cal_{n % 50},evt_external_{n:024x},2099-01-01,PT1H,note {n:030}\n"
                for n in range(lines, lines + 10_000)
            )
            lines += 10_000
    return lines
