"""calpatch as it is deployed: worker processes, clock, Valkey and SQL, each on its own."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from tests.benchmarks.measured import Cost, Result, ask, first_call_at, result_of
from tests.benchmarks.processes import cpu_s, peak_rss_mb
from tests.benchmarks.scenarios import Plan, Scenario
from tests.fleet import Fleet, a_fleet, pause
from worker.embedded import postgres_server
from worker.intake.producer import Order, submit
from worker.model import ENDED, Calendar, Policy

#: Worker processes by peer; two are what we recommend to begin with.
PROCESSES = {"ours_1": 1, "ours_8": 8}
#: seconds; imports are over and engines open when no worker has used much in one look
WARM_UP_S, IDLE_S = 30.0, 0.05
#: between two looks at SQL: seldom enough not to disturb
LOOK_EVERY_S = 0.25


def run_ours(plan: Plan, url: str, provider: int, folder: Path) -> Result:
    """Submit the campaign to a fresh deployment and follow it, to its end or until time is over."""
    with ExitStack() as stack:
        database = f"sqlite:///{folder / 'benchmark.db'}"
        if plan.peer == "ours_postgres":
            database = stack.enter_context(postgres_server()).create_database()
        fleet = stack.enter_context(
            a_fleet(
                folder,
                database,
                simulator_url=url,
                workers=PROCESSES.get(plan.peer, 2),
                concurrency=16,
                settings=settings_for(plan.scenario),
            )
        )
        know_calendars(fleet)
        warm_up(fleet)
        pids = [worker.pid for worker in fleet.workers]
        before_s, provider_s = cpu_s(*pids), cpu_s(provider)
        verify = "none" if plan.peer == "ours_unverified" else "all"
        campaign = submit_campaign(fleet, verify=verify)
        complete = follow(fleet, campaign, seconds=plan.seconds)
        cost = Cost(
            cpu_s=cpu_s(*pids) - before_s,
            peak_rss_mb=peak_rss_mb(*pids),
            processes=len(pids),
            valkey_peak_mb=valkey_info(fleet, "memory")["used_memory_peak"] / 2**20,
        )
        provider_cpu_s = cpu_s(provider) - provider_s
        outcomes = _outcomes(fleet, campaign)
        for worker in fleet.workers:
            worker.kill()  # a cut run need not let go of its leases
        return result_of(
            plan,
            url,
            cost,
            complete=complete,
            provider_cpu_s=provider_cpu_s,
            outcomes=outcomes,
        )


def _outcomes(fleet: Fleet, campaign: str) -> dict[str, int]:
    outcomes: Counter[str] = Counter()
    for (state, _), number in fleet.store.reading.counts(campaign).items():
        outcomes[str(state)] += number
    return dict(outcomes)


def settings_for(scenario: Scenario) -> dict[str, str]:
    """Return the product's defaults where the suite's fleet is hastier, and the limit as it is.

    The share is 100 %, so that what is measured is calpatch and not its modesty.
    """
    return {
        "CALPATCH_RATE": scenario.rate or "unlimited",
        "CALPATCH_SHARE": "100%",
        "CALPATCH_BATCH_COUNTS_AS": scenario.batch_counts_as,
        "CALPATCH_LEASE": "30",
        "CALPATCH_SETTLE": "5",
        "CALPATCH_VERIFY_DELAY": "3",
        "CALPATCH_CALENDARS_TTL": "1d",
    }


def know_calendars(fleet: Fleet) -> None:
    """Leave SQL as `calpatch accounts check` leaves it: the calendars of every account known.

    It asks the API nothing, so that the minute is unspent.
    """
    state: dict[str, Any] = json.loads(ask(fleet.simulator_url, "state"))
    by_account: dict[str, list[Calendar]] = {}
    for one in state["calendars"]:
        by_account.setdefault(one["sub"], []).append(
            Calendar(
                calendar_id=one["calendar_id"],
                name=one["calendar_name"],
                elevated=one["permission_level"] == "unrestricted",
            )
        )
    for sub, calendars in by_account.items():
        fleet.store.accounts.save_calendars(sub, calendars)


def valkey_info(fleet: Fleet, section: str) -> dict[str, Any]:
    """Return what Valkey says of itself."""
    with redis.Redis.from_url(fleet.valkey.url) as client:
        told: dict[str, Any] = client.info(section)
    return told


def warm_up(fleet: Fleet) -> None:
    """Wait until every worker has started, taken a round of the clock, and has nothing to do."""
    pids = [worker.pid for worker in fleet.workers]
    deadline = time.monotonic() + WARM_UP_S
    pause(2.0 + 0.5 * len(pids))
    while time.monotonic() < deadline:
        before = {pid: cpu_s(pid) for pid in pids}
        pause(1.0)
        if all(cpu_s(pid) - before[pid] < IDLE_S for pid in pids):
            return


def submit_campaign(fleet: Fleet, *, verify: str = "all") -> str:
    """Submit the whole file."""
    submitted = submit(
        fleet.settings,
        fleet.store,
        path=str(fleet.edits),
        order=Order(
            key="benchmark", reason="benchmark", owner="benchmark", policy=Policy(verify=verify)
        ),
    )
    return submitted.campaign.id


def follow(fleet: Fleet, campaign: str, *, seconds: float) -> bool:
    """Return True when the campaign has ended, False when time was over before."""
    began_s = time.time()
    first_s: float | None = None
    while True:
        found = fleet.store.campaigns.get(campaign)
        if found is not None and found.state in ENDED:
            return True
        first_s = first_s or first_call_at(fleet.simulator_url)
        if first_s is not None and time.time() > first_s + seconds:
            return False
        if first_s is None and time.time() > began_s + 60.0:
            raise TimeoutError(f"no call came\n{fleet.logs()[-3000:]}")
        pause(LOOK_EVERY_S)
