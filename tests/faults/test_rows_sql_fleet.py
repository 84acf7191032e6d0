"""Rows 9 and 10 with real workers: the database is away for a while, or kills connections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.fleet import Fleet, a_fleet, pause
from tests.runs import (
    BRIEF,
    SMALL,
    ended_well,
    slowly,
    submitted,
    taken,
    until,
    wait_for_end,
)
from worker.embedded import postgres_server
from worker.model import EditState

#: small batches, each a while at the API: there is always one on its way
SLOW = BRIEF | {"CALPATCH_BATCH_SIZE": "4"}


#: how long PostgreSQL is stopped; a whole minute where somebody waits for it
OUTAGE_S = float(os.environ.get("CALPATCH_TEST_OUTAGE", "5"))


def intents(fleet: Fleet, campaign: str) -> set[tuple[str, str]]:
    """Return the events whose edit SQL says was meant to be sent, or more."""
    sql = (
        "SELECT calendar_id, event_uid FROM edits WHERE campaign_id = :id"
        " AND state NOT IN ('pending', 'skipped', 'unchanged')"
    )
    with fleet.store.database.read() as connection:
        return {(row[0], row[1]) for row in connection.execute(text(sql), {"id": campaign})}


def doubts(fleet: Fleet, campaign: str) -> int:
    """Count the audit's entries about edits in doubt, rescues included."""
    sql = "SELECT count(*) FROM audit WHERE campaign_id = :id AND action = 'edit.in_doubt'"
    with fleet.store.database.read() as connection:
        return int(connection.execute(text(sql), {"id": campaign}).scalar_one())


@pytest.mark.slow
@pytest.mark.row(9)
@pytest.mark.postgres
@pytest.mark.parametrize("is_long", [False, True], ids=["short", "longer than a lease"])
def test_the_database_goes_away_while_a_batch_is_at_the_api(
    postgres_url: str, tmp_path: Path, *, is_long: bool
) -> None:
    """No POST leaves without a stored intent; what came home is stored, or read back, once."""
    settings = SLOW if is_long else SLOW | {"CALPATCH_LEASE": "8"}
    with a_fleet(
        tmp_path, postgres_url, simulate=SMALL, workers=2, through={"database"}, settings=settings
    ) as fleet:
        slowly(fleet, 0.3)
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)

        fleet.proxies["database"].cut()
        pause(0.5)  # what PostgreSQL has taken by now, it has
        meant = intents(fleet, campaign)
        pause(5.0 if is_long else 1.0)
        assert set(taken(fleet)) <= meant
        assert intents(fleet, campaign) == meant
        fleet.proxies["database"].heal()

        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)
        if not is_long:
            assert not doubts(fleet, campaign), "the outcomes that came home were not kept"


@pytest.mark.row(9)
@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_postgresql_that_is_stopped_and_started(tmp_path: Path) -> None:
    """Killed as by a crash, and back after a while: no call in between, then all ends right."""
    with postgres_server() as postgres:
        url = postgres.create_database()
        with a_fleet(tmp_path, url, simulate=SMALL, workers=2, settings=SLOW) as fleet:
            slowly(fleet, 0.3)
            campaign = submitted(fleet)
            until(lambda: taken(fleet), fleet)

            postgres.kill()
            pause(2.0)  # what was on its way is home
            before = posts(fleet)
            pause(OUTAGE_S)
            assert posts(fleet) == before
            assert all(worker.poll() is None for worker in fleet.workers), fleet.logs()[-2000:]
            postgres.start()
            wait_for_end(fleet, campaign, within_s=60)
            ended_well(fleet, campaign)


def posts(fleet: Fleet) -> int:
    """Count the calls that edit."""
    requests: list[Any] = fleet.simulator_lines("requests")
    return sum(one["method"] == "POST" for one in requests)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(10)
@pytest.mark.postgres
def test_connections_that_an_administrator_ends_again_and_again(
    postgres_url: str, tmp_path: Path
) -> None:
    """57P01 at every moment of a run, as in a failover: nothing is lost or twice."""
    with a_fleet(tmp_path, postgres_url, simulate=SMALL, workers=2, settings=SLOW) as fleet:
        slowly(fleet, 0.5)
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        sql = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'calpatch' AND datname = current_database()"
        )
        killed = 0
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            while killed < 20:
                killed += len(admin.execute(sql).fetchall())
                pause(0.1)
        wait_for_end(fleet, campaign, within_s=60)
        states = ended_well(fleet, campaign)
        assert states[EditState.FAILED] == 0
