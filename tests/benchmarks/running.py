"""Runs plans, one after the other, each against a provider of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measured import Result
from tests.benchmarks.ours import run_ours
from tests.benchmarks.peers import run_bare, run_celery, run_script
from tests.benchmarks.processes import a_provider
from tests.benchmarks.scenarios import Plan

Run = Callable[[Plan, str, int, Path], Result]


def run(plan: Plan) -> Result:
    """Carry out one plan."""
    with tempfile.TemporaryDirectory(prefix="calpatch-benchmark-") as name:
        folder = Path(name)
        with a_provider(plan.scenario, folder) as (url, provider):
            return runner_of(plan.peer)(plan, url, provider, folder)


def runner_of(peer: str) -> Run:
    """Return what runs a peer."""
    match peer:
        case "script" | "script_batch":
            return run_script
        case "celery_per_event":
            return run_celery
        case "bare" | "bare_unverified":
            return run_bare
        case _:
            return run_ours
