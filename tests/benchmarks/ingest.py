"""Ingest at scale: how fast a file is checked and stored, and what memory that takes.

`measure()` is what `make bench ARGS="--only ingest"` runs; by itself, for one database and size:

    python -m tests.benchmarks.ingest 1000000 sqlite:///bench.db [csv|jsonl] [shift|times]

Each run is a process of its own, so that its memory is its own; what 10,000 lines take is taken off
the peak. Times are of the wall, since a database server works beside.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

#: lines of the run whose memory is the base of the others'
FEW = 10_000
ACCOUNTS = 200


def measure(lines: int = 1_000_000, url: str = "") -> dict[str, Any]:
    """Return lines a second of each stage and the growth of memory; both databases without url."""
    if url:
        return _grown(lines, url)
    from worker.embedded import postgres_server

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        server = stack.enter_context(postgres_server())
        return {
            "sqlite": _grown(lines, f"sqlite:///{folder / 'few.db'}", f"{folder / 'many.db'}"),
            "postgresql": _grown(lines, server.create_database(), server.create_database()),
        }


def _grown(lines: int, url: str, other: str = "") -> dict[str, Any]:
    base = run(FEW, url)
    many = f"sqlite:///{other}" if other.endswith(".db") else other
    found = run(lines, many or url)
    found["rss_growth_mb"] = round(found["peak_rss_mb"] - base["peak_rss_mb"], 1)
    return found


def run(lines: int, url: str, *, kind: str = "csv", patches: str = "shift") -> dict[str, Any]:
    """Measure one run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.ingest", str(lines), url, kind, patches]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_edits(file: Path, lines: int, *, kind: str = "csv", patches: str = "shift") -> None:
    """Write a file of edits as an export has them: accounts together, ids as the API makes them."""
    chance = random.Random(lines)
    columns = ["account", "calendar_id", "event_uid", "date_hint", "ref"]
    columns += ["shift"] if patches == "shift" else ["new_start", "new_end"]
    with file.open("w", encoding="utf-8") as out:
        if kind == "csv":
            out.write(",".join(columns) + "\n")
        for number in range(lines):
            cells = _cells(chance, number, lines, patches)
            if kind == "csv":
                out.write(",".join(cells) + "\n")
            else:
                out.write(json.dumps(_object(columns, cells)) + "\n")


def _cells(chance: random.Random, number: int, lines: int, patches: str) -> list[str]:
    of = number * ACCOUNTS // lines
    account = f"acc_{of:024x}"
    calendar = f"cal_U9uuErStTG@EAAAB_{of:08x}{number % 3:04x}sykA2DBTWqQ"
    day, hour = 1 + number % 28, 8 + number % 9
    cells = [account, calendar, f"evt_external_{chance.getrandbits(96):024x}"]
    cells += [f"2026-12-{day:02}", f"row-{number}"]
    if patches == "shift":
        return [*cells, "P1D" if number % 5 else "PT1H"]
    times = f"2026-12-{day:02}T{hour:02}:{number % 4 * 15:02}"
    return [
        *cells,
        f"{times}:00+01:00",
        f"2026-12-{day:02}T{hour + 1:02}:{number % 60:02}:00+01:00",
    ]


def _object(columns: list[str], cells: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(columns, cells, strict=True))
    new = {name.removeprefix("new_"): found.pop(name) for name in columns if name[:4] == "new_"}
    return found | ({"set": new} if new else {})


def _measured(file: Path, url: str) -> dict[str, Any]:
    """Check a file and store it, as `calpatch submit` does."""
    from worker.intake import check, open_input
    from worker.model import Policy
    from worker.store import Database, NewCampaign, Store, migrate

    store = Store(Database(url))
    migrate(store.database)
    accounts = {f"acc_{number:024x}" for number in range(ACCOUNTS)}
    locked: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    with open_input(str(file)) as given:
        checked = check(given, accounts=accounts)
        checked_at, checked_cpu = time.perf_counter(), time.process_time()
        new = NewCampaign(
            key=f"ingest-{checked.rows}", digest=checked.digest, reason="benchmark",
            owner="benchmark", source=file.name, columns=checked.source.columns, policy=Policy(),
        )  # fmt: skip
        store.campaigns.submit(
            new, given.spool, campaign_id=f"c_{checked.rows:010}"[:12], image_key=b"k" * 32,
            chunk_size=1000, progress=lambda _: locked.append(time.perf_counter()),
        )  # fmt: skip
    ended, ended_cpu = time.perf_counter(), time.process_time()
    store.database.dispose()
    lines = checked.rows
    return {
        "lines": lines,
        "check_per_s": round(lines / (checked_at - began)),
        "store_per_s": round(lines / (ended - checked_at)),
        "total_per_s": round(lines / (ended - began)),
        "check_cpu_us": round((checked_cpu - cpu) / lines * 1e6, 2),
        "store_cpu_us": round((ended_cpu - checked_cpu) / lines * 1e6, 2),
        "before_first_row_s": round(locked[0] - checked_at, 2),
        "filling_s": round(locked[-1] - locked[0], 2),
        "peak_rss_mb": round(_peak_rss_mb(), 1),
    }


def _peak_rss_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main(lines: str, url: str, kind: str = "csv", patches: str = "shift") -> None:
    """Print one run as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"edits.{kind}"
        write_edits(file, int(lines), kind=kind, patches=patches)
        sys.stdout.write(json.dumps(_measured(file, url)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
