"""`make bench`: calpatch against what people use today, at the API's limit; table and JSON.

`make bench` runs everything (over an hour: most of it is waiting for the limit's minute).
`make bench QUICK=1` ends in under two minutes. `make bench ARGS="--only dense --peers ours,bare"`
runs a part; `--profile dense` shows where the processor time of a worker goes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks import profile, report
from tests.benchmarks.extras import EXTRAS
from tests.benchmarks.measured import Result
from tests.benchmarks.plans import plans, quick_plans
from tests.benchmarks.running import run
from tests.benchmarks.scenarios import BY_NAME, Plan

OUTPUT = Path("bench.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; 2 where that makes no sense."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.profile:
        profile.profile(BY_NAME[asked.profile])
        return 0
    only, peers = _names(asked.only), _names(asked.peers)
    extras = [name for name in EXTRAS if name in only]
    try:
        chosen = _chosen([name for name in only if name not in EXTRAS], peers, extras)
    except ValueError as wrong:
        parser.error(str(wrong))
    if not (only or peers or _is_quick()):
        extras = list(EXTRAS)
    results = _run_all(chosen, asked.output)
    found = report.lines(results)
    if found:
        sys.stdout.write("\n".join([report.table(found), "", *report.notes(results), ""]))
    more: dict[str, Any] = {}
    for name in extras:
        more[name] = _measured(name)
        asked.output.write_bytes(report.as_json(results, **more))
    return 0 if all(line.is_right for line in found) else 1


def _chosen(only: list[str], peers: list[str], extras: list[str]) -> list[Plan]:
    if _is_quick():
        return quick_plans()
    return [] if extras and not only else plans(only, peers)


def _is_quick() -> bool:
    return bool(os.environ.get("QUICK"))


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios and extras, comma-separated")
    parser.add_argument("--peers", default="", help="who runs, comma-separated")
    parser.add_argument(
        "--profile", choices=tuple(BY_NAME), help="where the time goes, and no more"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the JSON file")
    return parser


def _run_all(chosen: Sequence[Plan], output: Path) -> list[Result]:
    """Carry out all plans; the file is written after each, as an hour is long."""
    results: list[Result] = []
    for number, plan in enumerate(chosen, 1):
        scenario = plan.scenario
        _tell(
            f"[{number}/{len(chosen)}] {scenario.name} {plan.peer} {plan.kind}:"
            f" {scenario.accounts} x {scenario.events}, at most {plan.seconds:g} s ..."
        )
        began_s = time.monotonic()
        result = run(plan)
        results.append(result)
        output.write_bytes(report.as_json(results))
        seen = result.seen
        _tell(
            f" {seen.edits} edits, {seen.calls} calls, {seen.refused} refused,"
            f" {time.monotonic() - began_s:.0f} s\n"
        )
    return results


def _measured(name: str) -> dict[str, Any]:
    """Measure one of EXTRAS."""
    _tell(f"{name} ...")
    found = EXTRAS[name]()
    _tell(" done\n")
    sys.stdout.write(f"{name}\n{msgspec.json.format(msgspec.json.encode(found)).decode()}\n")
    return found


def _tell(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
