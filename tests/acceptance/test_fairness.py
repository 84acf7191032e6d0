"""Small campaigns beside large ones, slow accounts beside quick ones, as a deployment runs them.

The limit is steady, without a minute that may be unspent, so that every call has its price in time.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet import Fleet, a_fleet, pause
from tests.runs import fault, wait_for_end
from worker.intake.producer import Order, submit
from worker.model import ENDED, Policy

pytestmark = pytest.mark.nightly

#: The rate of the application, all of which calpatch may use.
RATE = "40/s"
LATENCY = "latency_s=[0.1, 0.2]"
SETTINGS = {"CALPATCH_RATE": RATE}
#: What the clock's ticks may add, in seconds: the end is noticed, read-backs are announced by it.
TICKS_S = 2.0
#: Edits and accounts of a small campaign.
SMALL_EDITS, SMALL_ACCOUNTS = 100, 5


@contextmanager
def a_deployment(folder: Path, url: str, *, accounts: int, events: int) -> Iterator[Fleet]:
    """Start two workers of the usual size, and a simulator with latency and a limit."""
    simulate = [
        "--accounts", str(accounts), "--events", str(events), "--rate", RATE,
        "--behaviour", LATENCY, "lag_s=0.2",
    ]  # fmt: skip
    with a_fleet(
        folder, url, simulate=simulate, workers=2, concurrency=16, settings=SETTINGS
    ) as fleet:
        wait_for_workers(fleet)
        yield fleet


def wait_for_workers(fleet: Fleet) -> None:
    """Wait until the clock's rounds are taken: the start of workers is nobody's time."""
    deadline = time.monotonic() + 60
    while not any(name.startswith("worker:") for name in fleet.store.queue.pulses()):
        assert time.monotonic() < deadline, fleet.logs()[-2000:]
        pause(0.1)
    pause(2.0)  # the other one started at the same time


def accounts_of(fleet: Fleet) -> dict[str, list[dict[str, str]]]:
    """Return the rows that may be submitted, by account."""
    rows: dict[str, list[dict[str, str]]] = {}
    with fleet.edits.open(newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["account"], []).append(row)
    return rows


def start(fleet: Fleet, key: str, rows: Sequence[dict[str, str]], *, lane: str = "bulk") -> str:
    """Submit rows as a campaign."""
    path = fleet.folder / f"{key}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return submit(
        fleet.settings,
        fleet.store,
        path=str(path),
        order=Order(key=key, reason="test", owner="test", policy=Policy(), lane=lane),
    ).campaign.id


def lasted(fleet: Fleet, campaign_id: str, *, within_s: float = 120) -> float:
    """Wait for a campaign's end; returns the seconds from its submission on."""
    wait_for_end(fleet, campaign_id, within_s=within_s)
    campaign = fleet.store.campaigns.get(campaign_id)
    assert campaign is not None
    assert campaign.finished_at is not None
    return (campaign.finished_at - campaign.submitted_at).total_seconds()


def runs(fleet: Fleet, campaign_id: str) -> bool:
    """Tell whether a campaign has not ended yet."""
    campaign = fleet.store.campaigns.get(campaign_id)
    return campaign is not None and campaign.state not in ENDED


def take_few(accounts: list[list[dict[str, str]]]) -> list[dict[str, str]]:
    """Take the rows of a small campaign off the list of accounts."""
    taken = [accounts.pop() for _ in range(SMALL_ACCOUNTS)]
    return [row for rows in taken for row in rows[: SMALL_EDITS // SMALL_ACCOUNTS]]


def arm(fleet: Fleet, sub: str, act: dict[str, object]) -> None:
    """Have the simulator do something to every call of one account."""
    fault(fleet, {"sub": sub, "times": None}, act)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("shape", ["sparse", "dense"])
def test_a_small_campaign_is_not_kept_waiting_by_a_large_one(
    database_url: str, tmp_path: Path, shape: str
) -> None:
    """It ends within twice the time that it takes alone: behind it in the same lane, and in ours.

    Measured alone first, on the same workers.
    """
    large, events = (400, 20) if shape == "sparse" else (40, 400)
    with a_deployment(
        tmp_path, database_url, accounts=large + 3 * SMALL_ACCOUNTS, events=events
    ) as fleet:
        accounts = list(accounts_of(fleet).values())
        few = [take_few(accounts) for _ in range(3)]
        alone_s = lasted(fleet, start(fleet, "alone", few[0]))

        night = start(fleet, "night", [row for rows in accounts for row in rows])
        pause(4.0)  # its window is full, and its threads are busy
        behind_s = lasted(fleet, start(fleet, "behind", few[1]))
        now_s = lasted(fleet, start(fleet, "now", few[2], lane="interactive"))

        told = f"{shape}: alone {alone_s:.1f} s, behind {behind_s:.1f} s, interactive {now_s:.1f} s"
        print(told)  # noqa: T201 - shown with -s, and when it fails
        assert runs(fleet, night), f"the large one ended too early to tell: {told}"
        assert behind_s <= 2 * alone_s + TICKS_S, told
        assert now_s <= 2 * alone_s + TICKS_S, told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_slow_and_locked_accounts_hold_nobody_up(sqlite_url: str, tmp_path: Path) -> None:
    """One whose every call takes five seconds has its share of threads; a locked one has none."""
    with a_deployment(tmp_path, sqlite_url, accounts=42, events=100) as fleet:
        accounts = accounts_of(fleet)
        (slow, locked), others = list(accounts)[:2], list(accounts)[2:]
        first = [row for sub in others[:20] for row in accounts[sub]]
        second = [row for sub in others[20:] for row in accounts[sub]]
        alone_s = lasted(fleet, start(fleet, "alone", first))

        arm(fleet, slow, {"do": "delay", "seconds": 5.0})
        arm(fleet, locked, {"do": "reply", "status": 423})
        crawling = start(fleet, "crawling", [*accounts[slow], *accounts[locked]])
        beside_s = lasted(fleet, start(fleet, "beside", second))

        told = f"alone {alone_s:.1f} s, beside a slow and a locked account {beside_s:.1f} s"
        print(told)  # noqa: T201 - shown with -s, and when it fails
        assert runs(fleet, crawling), told
        assert fleet.store.reading.calls(crawling), told
        assert beside_s <= 1.5 * alone_s + TICKS_S, told
