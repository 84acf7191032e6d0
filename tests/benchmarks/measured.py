"""What one run came to: the provider's log, what the processes cost, and whether it was right."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from msgspec import Struct

from tests.benchmarks.floor import changed_by_account, floor
from tests.benchmarks.observed import Observed, Request, observe, read_log
from tests.benchmarks.scenarios import Plan


class Cost(Struct, frozen=True, kw_only=True):
    """What whoever did the work has used, from its start (imports not counted) to its end."""

    cpu_s: float
    #: of the process that needed most
    peak_rss_mb: float
    processes: int
    #: what Valkey held at most, where there is one
    valkey_peak_mb: float | None = None


class Result(Struct, frozen=True, kw_only=True):
    """One run in figures."""

    scenario: str
    peer: str
    kind: str
    rate: str
    batch_counts_as: str
    accounts: int
    events: int
    #: accounts of the scenario as it is named, where another number was run
    named_accounts: int
    complete: bool
    #: what should have been written and what the provider says was, once each
    to_write: int
    written_once: int
    seen: Observed
    calls_per_edit: float
    #: None for peers that do not aim at it, and for runs that were cut
    floor_calls: int | None
    cost: Cost
    cpu_ms_per_edit: float
    provider_cpu_s: float
    #: by SQL, where there is one: outcomes by state
    outcomes: dict[str, int]


def ask(url: str, path: str) -> bytes:
    """Ask the provider's control API."""
    with urllib.request.urlopen(f"{url}/_sim/{path}", timeout=120) as answer:
        return bytes(answer.read())


def log_of(url: str, *, after: int = 0, limit: int | None = None) -> list[Request]:
    """Return the provider's requests so far."""
    most = f"&limit={limit}" if limit is not None else ""
    return read_log(ask(url, f"requests?after={after}{most}").splitlines())


def first_call_at(url: str) -> float | None:
    """Return when the first request came in, as seconds since the epoch."""
    log = log_of(url, limit=1)
    return log[0].at if log else None


def result_of(
    plan: Plan,
    url: str,
    cost: Cost,
    *,
    complete: bool,
    provider_cpu_s: float,
    outcomes: dict[str, int] | None = None,
) -> Result:
    """Return a run in figures; the provider must still be there."""
    scenario = plan.scenario
    seen = observe(log_of(url), rate=scenario.rate, until_s=plan.seconds)
    aims = plan.peer.startswith(("ours", "bare"))
    verifies = plan.peer not in {"ours_unverified", "bare_unverified"}
    return Result(
        scenario=scenario.name,
        peer=plan.peer,
        kind=plan.kind,
        rate=scenario.rate,
        batch_counts_as=scenario.batch_counts_as,
        accounts=scenario.accounts,
        events=scenario.events,
        named_accounts=scenario.named_accounts or scenario.accounts,
        complete=complete,
        to_write=sum(changed_by_account(scenario)),
        written_once=_written_once(url) if complete else 0,
        seen=seen,
        calls_per_edit=seen.calls / (scenario.edits if complete else max(1, seen.edits)),
        floor_calls=floor(scenario, verifies=verifies) if aims and complete else None,
        cost=cost,
        cpu_ms_per_edit=1000 * cost.cpu_s / (scenario.edits if complete else max(1, seen.edits)),
        provider_cpu_s=provider_cpu_s,
        outcomes=outcomes or {},
    )


def _written_once(url: str) -> int:
    """Return how many events differ from how they were seeded, by the provider's own truth.

    What was accepted is let take effect first: reads show it a moment later.
    """
    settle = urllib.request.Request(f"{url}/_sim/settle", method="POST")
    with urllib.request.urlopen(settle, timeout=60) as answer:
        answer.read()
    events: list[Any] = [json.loads(line) for line in ask(url, "events").splitlines()]
    return sum(one["changed"] for one in events)
