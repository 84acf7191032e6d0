"""Rows 20, 22, 24, 27, 28: workers with wrong clocks, frozen, called off, without room or files."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.faults.test_rows_sql_fleet import intents
from tests.fleet import Fleet, a_fleet, pause
from tests.runs import (
    BRIEF,
    SMALL,
    ended_well,
    fault,
    simulator_stats,
    slowly,
    submitted,
    taken,
    until,
    wait_for_end,
)
from worker.model import CampaignState, EditState
from worker.store import Database, Note

#: small chunks and small batches: there is always some of both under way
SLOW = BRIEF | {"CALPATCH_BATCH_SIZE": "4", "CALPATCH_CHUNK_SIZE": "16"}
LAUNCHER = ("-m", "tests.faults.launcher")


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(20)
@pytest.mark.postgres
@pytest.mark.parametrize("skew_s", [3600, -3600])
def test_a_worker_whose_clock_is_an_hour_off_and_jumps(
    postgres_url: str, tmp_path: Path, skew_s: int
) -> None:
    """An hour ahead, then one behind (and the other way round), in the middle of a run.

    Leases go by the database's clock, waits by the monotonic one, the clock's rounds by neither.
    """
    with a_fleet(tmp_path, postgres_url, simulate=SMALL, workers=0, settings=SLOW) as fleet:
        slowly(fleet, 0.3)
        options = ("--skew", str(skew_s), "--back-after", "6", "--")
        fleet.start_worker(launcher=(*LAUNCHER, *options))
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)

        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)


@pytest.mark.nightly
@pytest.mark.slow
def test_a_night_without_workers_does_not_end_in_a_night_of_rounds(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Rounds of the clock that piled up are one round: the first worker's first one drops them."""
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=0, settings=BRIEF) as fleet:
        with redis.Redis.from_url(fleet.valkey.url) as client:
            until(lambda: client.llen("calpatch:upkeep"), fleet)
            [message] = client.lrange("calpatch:upkeep", 0, 0)  # type: ignore[misc]
            client.lpush("calpatch:upkeep", *[message] * 50_000)
            fleet.start_worker()
            until(lambda: int(client.llen("calpatch:upkeep")) < 10, fleet)  # type: ignore[arg-type]
        campaign = submitted(fleet)
        wait_for_end(fleet, campaign, within_s=60)


@pytest.mark.slow
@pytest.mark.row(22)
def test_a_worker_that_wakes_after_its_lease_is_refused(database_url: str, tmp_path: Path) -> None:
    """Frozen with batches at the API, replaced, woken: what it writes then is refused.

    At most the batch that it had on its way is written twice, and all of it is proven.
    """
    settings = SLOW | {"CALPATCH_BATCH_SIZE": "2"}
    with a_fleet(tmp_path, database_url, simulate=SMALL, workers=1, settings=settings) as fleet:
        slowly(fleet, 0.5)
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        zombie = fleet.workers[0]
        freeze(fleet, zombie)
        fleet.start_worker()
        until(lambda: latest_epoch(fleet) > 1, fleet)
        zombie.send_signal(signal.SIGCONT)
        until(lambda: "lease_lost" in (tmp_path / "worker0.log").read_text(), fleet)

        wait_for_end(fleet, campaign, within_s=60)
        assert zombie.poll() is None, fleet.logs()[-3000:]
        ended_well(fleet, campaign, most=2)
        assert sum(taken(fleet).values()) <= len(taken(fleet)) + 16


def latest_epoch(fleet: Fleet) -> int:
    """Return how often a chunk has been claimed at most."""
    with fleet.store.database.read() as connection:
        sql = "SELECT max(epoch) FROM chunks"
        return int(connection.exec_driver_sql(sql).scalar_one())


def freeze(fleet: Fleet, worker: subprocess.Popen[bytes]) -> None:
    """Stop a worker outside of a transaction.

    In the middle of one it keeps its locks: PostgreSQL ends it after fifteen seconds, a SQLite file
    stays locked for as long as the process is stopped.
    """
    for _ in range(100):
        worker.send_signal(signal.SIGSTOP)
        until(lambda: is_stopped(worker.pid), fleet)
        if not is_locked(fleet.store.database):
            return
        worker.send_signal(signal.SIGCONT)
        pause(0.02)
    raise AssertionError("always amid a transaction")


def is_stopped(pid: int) -> bool:
    """Tell whether every thread of a process has stopped: a signal takes its time."""
    states = [path.read_text().rpartition(")")[2].split()[0] for path in _stats(pid)]
    return set(states) == {"T"}


def _stats(pid: int) -> list[Path]:
    return [task / "stat" for task in Path(f"/proc/{pid}/task").iterdir()]


def is_locked(database: Database) -> bool:
    """Tell whether a transaction has begun and not ended."""
    if not database.is_sqlite:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%%'"
        with database.begin() as connection:
            return bool(connection.exec_driver_sql(sql).scalar_one())
    with closing(sqlite3.connect(str(database.file), timeout=0.1, isolation_level=None)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        file.execute("ROLLBACK")
        return False


@pytest.mark.slow
@pytest.mark.row(24)
def test_a_cancelled_campaign_sends_no_more(sqlite_url: str, tmp_path: Path) -> None:
    """Cancelled amid its batches: those come home, five seconds later no other has left."""
    settings = SLOW | {"CALPATCH_BATCH_SIZE": "1"}
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=2, settings=settings) as fleet:
        slowly(fleet, 1.0)
        fault(fleet, {"route": "edit", "times": None}, {"do": "delay", "seconds": 1.0})
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        note = Note(actor="test", action="campaign.cancelled")
        assert fleet.store.campaigns.move(campaign, CampaignState.CANCELLING, note=note)
        cancelled_at = time.time()
        wait_for_end(fleet, campaign, within_s=60)

        late = [one for one in posts(fleet) if one["at"] > cancelled_at + 5]
        assert not late
        states = ended_well(fleet, campaign, least=1)
        assert states[EditState.NOT_ATTEMPTED] > 5
        found = fleet.store.campaigns.get(campaign)
        assert found is not None
        assert found.state is CampaignState.CANCELLED


def posts(fleet: Fleet) -> list[Any]:
    """Return the calls that edit, as the simulator has seen them arrive."""
    return [one for one in fleet.simulator_lines("requests") if one["method"] == "POST"]


@pytest.mark.slow
@pytest.mark.row(24)
def test_a_limit_that_is_lowered_amid_a_run(sqlite_url: str, tmp_path: Path) -> None:
    """The workers are started anew with half of the rate: from then on no window has more."""
    simulate = ["--accounts", "1", "--events", "60", "--rate", "10/s", "--behaviour", "lag_s=0.2"]
    settings = BRIEF | {
        "CALPATCH_BATCH_SIZE": "2", "CALPATCH_CHUNK_SIZE": "10", "CALPATCH_RATE": "10/s",
    }  # fmt: skip
    with a_fleet(tmp_path, sqlite_url, simulate=simulate, workers=1, settings=settings) as fleet:
        campaign = submitted(fleet)
        until(lambda: sum(taken(fleet).values()) > 10, fleet)
        fleet.stop_workers()
        lowered_at = time.time()
        fleet.environ["CALPATCH_RATE"] = "5/s"
        fleet.start_worker()

        wait_for_end(fleet, campaign, within_s=90)
        ended_well(fleet, campaign)
        assert simulator_stats(fleet)["refused"] == 0
        times = [one["at"] for one in fleet.simulator_lines("requests") if one["at"] > lowered_at]
        busiest = max(sum(at <= one < at + 1 for one in times) for at in times)
        assert busiest <= 5


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(27)
@pytest.mark.skipif(sys.platform != "linux", reason="changes another process's limits")
def test_a_disk_that_is_full_stops_the_writes(sqlite_url: str, tmp_path: Path) -> None:
    """Amid a run nothing can be stored any more: no POST without a stored intent.

    With room again the same worker ends everything right, though its log has taken nothing.
    """
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=0, settings=SLOW) as fleet:
        slowly(fleet, 0.5)
        worker = fleet.start_worker(launcher=(*LAUNCHER, "--log", "/dev/full", "--", "-q"))
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)

        room = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1, room[1]))
        meant = intents(fleet, campaign)
        pause(5.0)
        assert intents(fleet, campaign) == meant
        assert set(taken(fleet)) <= meant
        assert worker.poll() is None
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, room)

        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)
        assert worker.poll() is None


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(28)
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_with_few_files_ends_all_the_same(sqlite_url: str, tmp_path: Path) -> None:
    """Sixty-four descriptors for sixteen threads: what cannot be opened is tried again."""
    simulate = ["--accounts", "8", "--events", "24", "--rate", "off", "--behaviour", "lag_s=0.2"]
    settings = BRIEF | {"CALPATCH_BATCH_SIZE": "2", "CALPATCH_CHUNK_SIZE": "10"}
    with a_fleet(tmp_path, sqlite_url, simulate=simulate, workers=0, settings=settings) as fleet:
        slowly(fleet, 0.2)
        worker = fleet.start_worker(concurrency=16, launcher=(*LAUNCHER, "--files", "64", "--"))
        campaign = submitted(fleet)
        most = 0

        def has_ended() -> bool:
            nonlocal most
            most = max(most, len(list(Path(f"/proc/{worker.pid}/fd").iterdir())))
            found = fleet.store.campaigns.get(campaign)
            return found is not None and found.finished_at is not None

        until(has_ended, fleet, within_s=90)
        assert most > 60
        assert worker.poll() is None
        ended_well(fleet, campaign)
