"""Which runs there are: everything, a selection of it, or the short form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from tests.benchmarks.floor import accounts_for
from tests.benchmarks.scenarios import DENSE, PER_EVENT, Plan, Scenario, selected

#: A job is cut after this many seconds.
JOB_S = 300.0
#: Scenarios whose whole would take long: a job of so many accounts is run, and the table says so.
JOB_ACCOUNTS = {"sparse": 300, "each": 2}
#: The default limit, with the minute a fifth as long: the same 8.3 a second when it lasts.
QUICK_RATE = "50/s,100/12s"
QUICK_SECONDS = 24.0
#: The same limit serves for the pace of the other scenarios, over three of its windows.
SCALED_SECONDS = 48.0


def plans(only: Sequence[str], peers: Sequence[str]) -> list[Plan]:
    """Return the runs of a selection, in the table's order; ValueError names what is unknown."""
    return [plan for scenario, peer in selected(only, peers) for plan in _of(scenario, peer)]


def quick_plans() -> list[Plan]:
    """Return the short form: dense, at the limit of a scaled minute, under two minutes in all."""
    dense = replace(DENSE, rate=QUICK_RATE)
    small, much = dense.with_accounts(4), _much(dense, QUICK_SECONDS)
    return [
        Plan(scenario=small, peer="script", kind="steady", seconds=8.0),
        Plan(scenario=much, peer="script_batch", kind="steady", seconds=8.0),
        Plan(scenario=small, peer="celery_per_event", kind="steady", seconds=QUICK_SECONDS),
        Plan(scenario=small, peer="ours", kind="job", seconds=60.0),
        Plan(scenario=much, peer="ours", kind="steady", seconds=QUICK_SECONDS),
        Plan(scenario=small, peer="bare", kind="job", seconds=60.0),
    ]


def _of(scenario: Scenario, peer: str) -> Iterator[Plan]:
    """Yield a peer's runs: the whole job, and the pace once the minute is spent."""
    accounts = JOB_ACCOUNTS.get(scenario.name)
    job = scenario.with_accounts(accounts) if accounts else scenario
    if peer not in PER_EVENT:
        yield Plan(scenario=job, peer=peer, kind="job", seconds=JOB_S)
    # The bare requests show that the floor can be had; its pace follows by formula.
    if peer.startswith("bare") and scenario.name != "dense":
        return
    # The dense one is what the claims are about: two whole minutes after the first.
    seconds = 120.0 if peer.startswith("script") else 180.0
    if scenario.name != "dense":
        scenario, seconds = replace(scenario, rate=QUICK_RATE), SCALED_SECONDS
    yield Plan(scenario=_much(scenario, seconds), peer=peer, kind="steady", seconds=seconds)


def _much(scenario: Scenario, seconds: float) -> Scenario:
    return scenario.with_accounts(accounts_for(scenario, seconds=seconds))
