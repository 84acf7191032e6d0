"""Throughput with 1, 2 and 4 worker processes where nothing limits, and what gets full first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.benchmarks.measured import log_of
from tests.benchmarks.observed import observe
from tests.benchmarks.ours import (
    follow,
    know_calendars,
    settings_for,
    submit_campaign,
    valkey_info,
    warm_up,
)
from tests.benchmarks.processes import a_provider, cpu_s
from tests.benchmarks.scenarios import DENSE, Scenario
from tests.fleet import Fleet, a_fleet

PROCESSES = (1, 2, 4)
ACCOUNTS = 60


def measure(*, accounts: int = ACCOUNTS, processes: tuple[int, ...] = PROCESSES) -> dict[str, Any]:
    """Return edits a second and how busy everybody was, by number of processes."""
    scenario = replace(DENSE, rate="", latency_s=(0.0, 0.0)).with_accounts(accounts)
    return {
        "edits": scenario.edits,
        "by_processes": {str(number): _measure(scenario, number) for number in processes},
    }


def _measure(scenario: Scenario, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="calpatch-benchmark-") as name:
        folder = Path(name)
        with (
            a_provider(scenario, folder) as (url, provider),
            a_fleet(
                folder,
                f"sqlite:///{folder / 'benchmark.db'}",
                simulator_url=url,
                workers=workers,
                concurrency=16,
                settings=settings_for(scenario) | {"CALPATCH_VERIFY_DELAY": "1"},
            ) as fleet,
        ):
            know_calendars(fleet)
            warm_up(fleet)
            pids = [worker.pid for worker in fleet.workers]
            before, before_s = {pid: cpu_s(pid) for pid in (*pids, provider)}, _valkey_s(fleet)
            campaign = submit_campaign(fleet)
            complete = follow(fleet, campaign, seconds=300.0)
            spent = {pid: cpu_s(pid) - before[pid] for pid in before}
            valkey_s = _valkey_s(fleet) - before_s
            seen = observe(log_of(url), rate="", until_s=300.0)
    wall_s = seen.ended_s
    return {
        "complete": complete,
        "ended_s": round(wall_s, 2),
        "written_s": round(seen.written_s, 2),
        "edits_per_s": round(scenario.edits / wall_s),
        "edits_per_s_until_written": round(scenario.edits / seen.written_s),
        "busy_each_worker": [round(spent[pid] / wall_s, 2) for pid in pids],
        "busy_provider": round(spent[provider] / wall_s, 2),
        "busy_valkey": round(valkey_s / wall_s, 2),
        "busy_all": round((sum(spent.values()) + valkey_s) / wall_s, 2),
    }


def _valkey_s(fleet: Fleet) -> float:
    """Return the processor time that Valkey has used."""
    told = valkey_info(fleet, "cpu")
    return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])
