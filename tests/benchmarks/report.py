"""The table, and what `bench.json` holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from tests.benchmarks.floor import longest_window
from tests.benchmarks.measured import Result
from tests.benchmarks.scenarios import BY_NAME, LATENCY_S, PER_EVENT

PACKAGES = ("calpatch", "celery", "aiohttp", "sqlalchemy", "redis", "msgspec", "pycronofy")
#: What a per-event tool would have to beat; the ratios are of edits a minute.
BASELINES = ("script", "celery_per_event", "script_batch")


class Line(Struct, frozen=True, kw_only=True):
    """One line of the table; None is shown as a dash."""

    scenario: str
    peer: str
    #: edits that the job and the steady rate were measured on
    job_edits: int | None
    steady_edits: int | None
    written_s: float | None
    ended_s: float | None
    steady_per_min: float | None
    calls_per_edit: float
    over_floor: float | None
    share_at_start: float | None
    steady_share: float | None
    #: edits a minute that the limit allows at the fewest calls
    ceiling_per_min: float | None
    refused: int
    busiest: str
    cpu_ms_per_edit: float
    #: over the longer run, where what happens once weighs less
    steady_cpu_ms_per_edit: float | None
    peak_rss_mb: float
    #: edits a minute as a multiple of each baseline's in the same scenario, else in the dense one
    times: dict[str, float]
    is_right: bool


def lines(results: Sequence[Result]) -> list[Line]:
    """Return the table, a line for each scenario and peer."""
    pairs = list(dict.fromkeys((one.scenario, one.peer) for one in results))
    paces = {
        pair: pace_of([one for one in results if (one.scenario, one.peer) == pair])
        for pair in pairs
    }
    return [
        _line([one for one in results if (one.scenario, one.peer) == pair], paces=paces)
        for pair in pairs
    ]


def pace_of(runs: Sequence[Result]) -> float | None:
    """Return edits a minute at the limit, with its windows spent.

    By the calls that were let through and what an edit of the whole job costs in calls: a count of
    edits alone would gain from reads that were done before, and sweeps that come after. Where no
    whole job was run it is the count.
    """
    steady = next((one for one in runs if one.kind == "steady"), None)
    job = next((one for one in runs if one.kind == "job" and one.complete), None)
    if steady is None:
        return None
    seen = steady.seen
    if seen.steady_edits_per_min is None or seen.steady_calls_per_min is None:
        return 60 * seen.edits / seen.written_s if seen.written_s else None
    if job is None:
        return seen.steady_edits_per_min
    return seen.steady_calls_per_min / job.calls_per_edit


def is_right(result: Result) -> bool:
    """Tell whether what should have been written was, and nothing was refused for good."""
    if not result.complete:
        return True
    return result.written_once == result.to_write == result.seen.edits


def _line(runs: Sequence[Result], *, paces: dict[tuple[str, str], float | None]) -> Line:
    job = next((one for one in runs if one.kind == "job"), None)
    steady = next((one for one in runs if one.kind == "steady"), None)
    main = job or runs[0]
    pace = paces[main.scenario, main.peer]
    whole = job is not None and job.complete
    over_floor = main.seen.calls / main.floor_calls if main.floor_calls else None
    return Line(
        scenario=main.scenario,
        peer=main.peer,
        job_edits=job.accounts * job.events if job else None,
        steady_edits=steady.seen.edits if steady else None,
        written_s=job.seen.written_s if job and whole else None,
        ended_s=job.seen.ended_s if job and whole else None,
        steady_per_min=pace,
        calls_per_edit=main.calls_per_edit,
        over_floor=over_floor,
        share_at_start=job.seen.share_at_start if job and whole else None,
        steady_share=steady.seen.steady_share if steady else None,
        ceiling_per_min=_ceiling(main),
        refused=sum(one.seen.refused for one in runs),
        busiest=_busiest(runs),
        cpu_ms_per_edit=main.cpu_ms_per_edit,
        steady_cpu_ms_per_edit=steady.cpu_ms_per_edit if steady else None,
        peak_rss_mb=max(one.cost.peak_rss_mb for one in runs),
        times=_times(main.scenario, pace, paces),
        is_right=all(is_right(one) for one in runs),
    )


def _ceiling(run: Result) -> float | None:
    if not run.floor_calls or not run.rate:
        return None
    count, span = longest_window(run.rate)
    return count * 60 / span * run.accounts * run.events / run.floor_calls


def _busiest(runs: Sequence[Result]) -> str:
    """Return the busiest sliding windows of all runs, as `50/1s 500/60s`."""
    spans = list(dict.fromkeys(span for one in runs for span in one.seen.busiest))
    most = {span: max(one.seen.busiest.get(span, 0) for one in runs) for span in spans}
    return " ".join(f"{number}/{span}" for span, number in most.items())


def _times(
    scenario: str, pace: float | None, paces: dict[tuple[str, str], float | None]
) -> dict[str, float]:
    found = {}
    for baseline in BASELINES:
        theirs = paces.get((scenario, baseline))
        if theirs is None and baseline in PER_EVENT and not BY_NAME[scenario].done_share:
            theirs = paces.get(("dense", baseline))
        if pace and theirs:
            found[baseline] = pace / theirs
    return found


HOW_TO_READ = """
written, ended: seconds from the first call, with the limit's windows unspent, until the last edit
  was accepted, and until the last answer, read back included.
edits/min: over whole windows of the limit after the first, on a campaign that lasts longer: calls
  a minute by calls per edit of the job. A peer without a whole job has its edits counted; one that
  is measured for less than two windows never meets the limit: its whole sample counts. on edits:
  how many of them were seen in all.
ceiling: edits/min that the limit allows at the floor's calls. of floor: the job's calls against
  the formula. start, steady: share of what the limit grants, in the job until its last edit was
  sent or the longest window could have been spent, and over the windows after the first.
x: multiples of edits/min; per-event peers run the dense scenario and stand for the others, as their
  two calls an edit cost the same there; but not where half is done, and they write only half.
CPU ms: an edit's, of all processes that do the work, from submission to the end of the job; longer:
  over the run that edits/min is measured on. RSS MB: the peak of the largest process.
Accounts had been checked before, so calendars are known for a day: a cold run costs one call more
  for each account.
"""

COLUMNS = (
    "scenario", "peer", "job edits", "written s", "ended s", "on edits", "edits/min", "ceiling",
    "x script", "x celery", "x batch", "calls/edit", "of floor", "start", "steady", "429",
    "busiest", "CPU ms", "longer", "RSS MB",
)  # fmt: skip


def table(found: Sequence[Line]) -> str:
    """Return the table as text."""
    rows = [COLUMNS, *(_cells(line) for line in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.scenario,
        line.peer + ("" if line.is_right else " WRONG"),
        _number(line.job_edits),
        _number(line.written_s, 1),
        _number(line.ended_s, 1),
        _number(line.steady_edits),
        _number(line.steady_per_min),
        _number(line.ceiling_per_min),
        *(_number(line.times.get(baseline), 2) for baseline in BASELINES),
        _number(line.calls_per_edit, 4),
        _percent(line.over_floor),
        _percent(line.share_at_start),
        _percent(line.steady_share),
        _number(line.refused),
        line.busiest,
        _number(line.cpu_ms_per_edit, 2),
        _number(line.steady_cpu_ms_per_edit, 2),
        _number(line.peak_rss_mb),
    )


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def notes(results: Sequence[Result]) -> list[str]:
    """Return what a reader of the table must know."""
    if not results:
        return []
    scaled = sorted(
        {
            f"{one.scenario} ({one.kind}, {one.peer}): {one.accounts} accounts x {one.events}"
            f" instead of {one.named_accounts}"
            for one in results
            if one.accounts != one.named_accounts and one.kind == "job"
        }
    )
    rates = " and ".join(sorted({one.rate for one in results}))
    low, high = LATENCY_S
    return [
        f"Limit {rates}, sliding, share 100 %; latency {1000 * low:g} to {1000 * high:g} ms.",
        f"{_scales(results)}.",
        *HOW_TO_READ.strip().splitlines(),
        *(f"scaled: {line}" for line in scaled),
    ]


def _scales(results: Sequence[Result]) -> str:
    names = dict.fromkeys(one.scenario for one in results)
    return "; ".join(
        f"{name} is {BY_NAME[name].accounts:,} x {BY_NAME[name].events}" for name in names
    )


def machine() -> dict[str, Any]:
    """Return what this was measured on."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def as_json(results: Iterable[Result], **more: Any) -> bytes:
    """Return `bench.json`: the machine, the table's lines and every run."""
    runs = list(results)
    whole = {"machine": machine(), "notes": notes(runs), "lines": lines(runs), "runs": runs}
    return msgspec.json.format(msgspec.json.encode(whole | more), indent=2) + b"\n"
