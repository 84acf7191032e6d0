"""The others: what people use today, and the bare requests; each in processes of its own."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.benchmarks.measured import Cost, Result, first_call_at, result_of
from tests.benchmarks.processes import (
    a_process,
    a_script,
    children_of,
    cpu_s,
    is_done,
    peak_rss_mb,
)
from tests.benchmarks.scenarios import Plan
from tests.fleet import pause
from worker.embedded import valkey_server

CELERY_WORKERS = 8


def run_script(plan: Plan, url: str, provider: int, folder: Path) -> Result:
    """Run `script` or `script_batch`."""
    arguments = (plan.peer, url, str(folder), str(plan.seconds))
    return _run_module(plan, "tests.benchmarks.script", arguments, url=url, provider=provider)


def run_bare(plan: Plan, url: str, provider: int, folder: Path) -> Result:
    """Run the bare requests, with the sweeps or without."""
    mode = "unverified" if plan.peer == "bare_unverified" else "verified"
    scenario = msgspec.json.encode(plan.scenario).decode()
    arguments = (mode, url, str(folder), scenario, str(plan.seconds))
    return _run_module(plan, "tests.benchmarks.bare", arguments, url=url, provider=provider)


def _run_module(
    plan: Plan, module: str, arguments: tuple[str, ...], *, url: str, provider: int
) -> Result:
    with a_script(module, *arguments) as process:
        before_s, provider_s = cpu_s(process.pid), cpu_s(provider)
        began_s = time.monotonic()
        done = is_done(process, within_s=plan.seconds + 90.0)
        took_s = time.monotonic() - began_s
        cost = Cost(
            cpu_s=cpu_s(process.pid) - before_s,
            peak_rss_mb=peak_rss_mb(process.pid),
            processes=1,
        )
    return result_of(
        plan,
        url,
        cost,
        complete=done and took_s < plan.seconds,
        provider_cpu_s=cpu_s(provider) - provider_s,
    )


def run_celery(plan: Plan, url: str, provider: int, folder: Path) -> Result:
    """Run a plain task for each event on prefork workers; it is cut when its time is over."""
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {"BENCHMARK_URL": url, "BENCHMARK_REDIS": valkey.url}
        sender = [sys.executable, "-m", "tests.benchmarks.celery_peer", str(folder)]
        with a_process(sender, environ=environ, log=folder / "sender.log") as sending:
            sending.wait(timeout=180)
        command = [
            sys.executable, "-m", "celery", "-A", "tests.benchmarks.celery_peer", "worker",
            "-c", str(CELERY_WORKERS), "--loglevel", "WARNING",
        ]  # fmt: skip
        log = folder / "celery.log"
        worker = stack.enter_context(
            a_process(command, environ=environ, log=log, stop_signal=signal.SIGQUIT)
        )
        first_s = _wait_for_first_call(url)
        pids = [worker.pid, *children_of(worker.pid)]
        before_s, provider_s = cpu_s(*pids), cpu_s(provider)
        pause(max(0.0, first_s + plan.seconds - time.time()))
        cost = Cost(
            cpu_s=cpu_s(*pids) - before_s, peak_rss_mb=peak_rss_mb(*pids), processes=len(pids)
        )
        provider_cpu_s = cpu_s(provider) - provider_s
    return result_of(plan, url, cost, complete=False, provider_cpu_s=provider_cpu_s)


def _wait_for_first_call(url: str, *, within_s: float = 60.0) -> float:
    deadline = time.monotonic() + within_s
    while (first := first_call_at(url)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("no call came")
        pause(0.2)
    return first
