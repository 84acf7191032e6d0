"""What earlier versions have left behind is taken over: rows, messages, and workers beside ours.

Each folder of `golden/` is a version; `golden.py` tells what is in it.
"""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from msgspec.structs import replace

from tests.auditor import audit_run, truth_of
from tests.faults.lives import Order, lives, plain
from tests.fleet import a_fleet
from tests.migration.golden import load, provider_of, simulator_of, versions
from tests.runs import submitted, until, wait_for_end
from tests.world import HOUR, a_world, an_engine, drain
from worker import __version__
from worker.clock import SystemClock
from worker.embedded import ValkeyServer
from worker.model import CampaignState, EditState, Patch
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, Behaviour, SimulatorServer
from worker.store import Database, Store, migrate
from worker.tokens import Vault

VERSIONS = [pytest.param(folder, id=folder.name) for folder in versions()]


class ThenClock(SystemClock):
    """A clock that began at another time."""

    def __init__(self, began: float) -> None:
        self._back_s = time.time() - began

    def now(self) -> datetime:
        """Return the time as it would be."""
        return super().now() - timedelta(seconds=self._back_s)

    def seconds(self) -> float:
        """Return the same in seconds since the epoch."""
        return self.now().timestamp()


@contextmanager
def a_store_of(folder: Path, url: str, *, key: str, revision: str) -> Iterator[Store]:
    """Open a database that a version has left behind, brought up to ours."""
    database = Database(url)
    try:
        migrate(database, revision=revision)
        load(folder, database)
        migrate(database)
        yield Store(database, keyring=Vault([key]))
    finally:
        database.dispose()


def approve_all(store: Store, names: Sequence[str]) -> None:
    """Begin the plans that wait for it."""
    for name in names:
        campaign = store.campaigns.get(name)
        assert campaign is not None
        if campaign.state is CampaignState.AWAITING_APPROVAL:
            store.plans.begin(name, actor="boss", reason="go", run=campaign.run)


@pytest.mark.row(25, 26)
@pytest.mark.parametrize("folder", VERSIONS)
async def test_what_a_version_left_half_done_is_ended(folder: Path, database_url: str) -> None:
    """Accepted, in doubt, taken back, leased by a worker that is gone: each ends right, once."""
    provider = provider_of(folder)
    clock = ThenClock(provider.at)
    sim = simulator_of(provider, clock.seconds)
    with a_store_of(
        folder, database_url, key=provider.vault_key, revision=provider.revision
    ) as store:
        async with SimulatorServer(sim) as server:
            settings = Settings.model_validate(
                {
                    "database_url": database_url,
                    "api_url": server.url,
                    "cronofy_client_id": SIM_CLIENT_ID,
                    "cronofy_client_secret": SIM_CLIENT_SECRET,
                    "vault_keys": provider.vault_key,
                    "batch_counts_as": "one",
                    "rate": "2000/s",
                    "settle": 0.2,
                    "verify_delay": 0.02,
                    "verify_within": 2.0,
                }
            )
            async with an_engine(settings, store=store, clock=clock) as engine:
                approve_all(store, provider.campaigns)
                for campaign in provider.campaigns:
                    async with asyncio.timeout(60):
                        await drain(engine, campaign, resend_after_s=0.2)
        verdict = audit_run(store, truth_of(sim))
        verdict.check()
        assert verdict.recovered >= 2
        [golden] = [name for name in provider.campaigns if name.endswith("golden")]
        outcomes = {one.line_no: one.state for one in store.reading.outcomes(golden)}
        assert set(outcomes.values()) == {
            EditState.VERIFIED, EditState.SKIPPED, EditState.MISMATCH,
        }  # fmt: skip
        writes = [write.event_uid for write in sim.writes if write.taken]
        assert len(writes) == len(set(writes)), "an event was written twice"


@pytest.mark.row(25)
@pytest.mark.slow
@pytest.mark.parametrize("folder", VERSIONS)
async def test_messages_of_a_version_are_understood(
    folder: Path, sqlite_url: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    """As they lay in Redis when its workers were stopped: by one of them a write is about to leave,
    without anybody who announces anything anew.
    """
    messages = json.loads((folder / "messages.json").read_text())
    async with a_world(
        sqlite_url,
        behaviour=Behaviour(rate=(), lag_s=0.02),
        redis_url=valkey.url,
        resend_after=1.0,
        lease=1.0,
        verify_delay=0.02,
    ) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number)
        patches = {number: Patch(move=HOUR) for number in range(40)}
        campaign = world.submit(patches, key="golden", chunk_size=2)
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
            for message in messages:
                client.lpush("calpatch:bulk", json.dumps(message))
        async with lives(tmp_path) as forks:
            order = Order(
                settings=plain(world.engine.settings),
                campaign=campaign,
                owner="new:1",
                celery=True,
                beats=False,
                point="post.before",
                at=1,
            )
            assert (await forks.live(order)).was_killed
            again = replace(order, owner="new:2", beats=True, point="")
            assert (await forks.live(again)).code == 0


@pytest.mark.row(25)
@pytest.mark.slow
@pytest.mark.parametrize("folder", [each for each in VERSIONS if each.id != __version__])
def test_workers_of_a_version_and_ours_share_a_campaign(
    folder: Path, database_url: str, tmp_path: Path
) -> None:
    """A rolling upgrade, and back: both take chunks, one of each is killed, and it ends right."""
    [wheel] = folder.glob("*.whl")
    old = tmp_path / "old"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(old)
    settings = {"CALPATCH_CHUNK_SIZE": "5", "CALPATCH_LEASE": "3", "CALPATCH_RATE": "20/s"}
    simulate = ["--accounts", "4", "--events", "60", "--rate", "off", "--behaviour", "lag_s=0.2"]
    with a_fleet(
        tmp_path, database_url, simulate=simulate, workers=1, concurrency=2, settings=settings
    ) as fleet:
        fleet.start_worker(concurrency=2, code=old)
        campaign = submitted(fleet)
        until(lambda: len(workers_of(fleet.store)) == 2, fleet)
        for worker in fleet.workers:
            worker.kill()
        fleet.start_worker(concurrency=2, code=old)
        fleet.start_worker(concurrency=2)
        wait_for_end(fleet, campaign, within_s=120)
        assert len(workers_of(fleet.store)) == 4


def workers_of(store: Store) -> set[str]:
    """Return who has sent edits, as the audit has it."""
    from sqlalchemy import text

    with store.database.read() as connection:
        sql = text("SELECT DISTINCT actor FROM audit WHERE action = 'edit.sending'")
        return set(connection.execute(sql).scalars())
