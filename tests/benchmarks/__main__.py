"""`make bench`: the main job against the API's default limit, as a deployment runs it.

Prints a table and writes `bench.json`. Two worker processes, SQLite, a simulator that enforces
50/s and 500/min in sliding windows with 100 to 200 ms of latency, and counts a batch as one. The
share is 100 %, so that what is measured is calpatch and not its modesty.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fleet import Fleet, a_fleet, pause
from worker.app import submit
from worker.model import ENDED, EditState, Policy

RATE = "50/s,500/min"
LATENCY = "latency_s=[0.1,0.2]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """So many accounts with so many events each."""

    name: str
    accounts: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run cost and brought."""

    scenario: str
    edits: int
    verified: int
    #: from the first call to the last edit that was accepted, in seconds
    accepted_s: float
    #: until every edit had its outcome, read back included
    ended_s: float
    calls: int
    calls_per_edit: float
    busiest_second: int
    busiest_minute: int
    refused: int
    cpu_ms_per_edit: float
    peak_rss_mb: float


FULL = (
    Scenario(name="dense", accounts=20, events=500),
    Scenario(name="medium", accounts=100, events=50),
    Scenario(name="sparse", accounts=400, events=1),
)
QUICK = (
    Scenario(name="dense", accounts=10, events=200),
    Scenario(name="sparse", accounts=60, events=1),
)


def measure(scenario: Scenario) -> Figures:
    """Run one scenario on a fresh deployment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate = [
            "--accounts", str(scenario.accounts), "--events", str(scenario.events), "--rate", RATE,
            "--behaviour", LATENCY,
        ]  # fmt: skip
        settings = {"CALPATCH_RATE": RATE, "CALPATCH_VERIFY_DELAY": "3"}
        with a_fleet(
            folder,
            f"sqlite:///{folder / 'bench.db'}",
            simulate=simulate,
            concurrency=16,
            settings=settings,
        ) as fleet:
            pause(3.0)
            return _run(fleet, scenario)


def _run(fleet: Fleet, scenario: Scenario) -> Figures:
    before_s = _cpu_s(fleet)
    began = time.monotonic()
    submitted = submit(
        fleet.settings,
        fleet.store,
        path=str(fleet.edits),
        key=scenario.name,
        reason="benchmark",
        owner="benchmark",
        policy=Policy(),
    )
    campaign = submitted.campaign.id
    accepted_s = 0.0
    while True:
        counts = fleet.store.reading.counts(campaign)
        if any(state in {EditState.PENDING, EditState.SENDING} for state, _ in counts):
            accepted_s = time.monotonic() - began
        found = fleet.store.campaigns.get(campaign)
        if found is not None and found.state in ENDED:
            break
        pause(0.1)
    ended_s = time.monotonic() - began
    stats = json.loads(fleet.simulator("stats"))
    verified = sum(n for (state, _), n in counts.items() if state is EditState.VERIFIED)
    total = submitted.campaign.total
    return Figures(
        scenario=f"{scenario.name} {scenario.accounts} x {scenario.events}",
        edits=total,
        verified=verified,
        accepted_s=round(accepted_s, 1),
        ended_s=round(ended_s, 1),
        calls=stats["total"],
        calls_per_edit=round(stats["total"] / total, 4),
        busiest_second=stats["busiest"]["1s"],
        busiest_minute=stats["busiest"]["60s"],
        refused=stats["refused"],
        cpu_ms_per_edit=round(1000 * (_cpu_s(fleet) - before_s) / total, 3),
        peak_rss_mb=round(max(_peak_rss_mb(worker.pid) for worker in fleet.workers), 1),
    )


def _cpu_s(fleet: Fleet) -> float:
    """Return the processor time of all workers so far (Linux: /proc)."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for worker in fleet.workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


def _peak_rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure every scenario and print what came out."""
    scenarios = QUICK if os.environ.get("QUICK") else FULL
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")  # noqa: T201
    print(__doc__.splitlines()[0] if __doc__ else "", f"limit {RATE}", sep="\n")  # noqa: T201
    results = []
    for scenario in scenarios:
        figures = measure(scenario)
        results.append(asdict(figures))
        for key, value in asdict(figures).items():
            print(f"  {key:16} {value}")  # noqa: T201
        print()  # noqa: T201
    Path("bench.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
