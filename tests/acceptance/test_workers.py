"""Worker processes on bad days: killed at the worst moment, stopped, their broker emptied."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.fleet import Fleet, a_fleet, pause
from tests.runs import SMALL, ended_well, submitted, taken, until, wait_for_end
from worker.dispatch import message_lists
from worker.model import EditState


@contextmanager
def a_submitted_campaign(
    folder: Path, database_url: str, *, fault: Mapping[str, object] | None = None, workers: int = 1
) -> Iterator[tuple[Fleet, str]]:
    """Start a small fleet, arm a fault, submit; the test does the rest."""
    with a_fleet(folder, database_url, simulate=SMALL, workers=workers) as fleet:
        if fault:
            fleet.control("faults", fault)
        yield fleet, submitted(fleet)


@pytest.mark.slow
def test_a_worker_killed_between_post_and_record_leads_to_no_second_write(
    database_url: str, tmp_path: Path
) -> None:
    """The worst moment: the API has taken the batch, nobody has written that down (row 2)."""
    slow_answer = {
        "match": {"route": "batch", "times": 1},
        "act": {"do": "delay", "seconds": 30},
    }
    with a_submitted_campaign(tmp_path, database_url, fault=slow_answer) as (fleet, campaign):
        until(lambda: taken(fleet), fleet)
        fleet.workers[0].kill()
        in_doubt = fleet.store.reading.counts(campaign)
        assert any(state is EditState.SENDING for state, _ in in_doubt)
        fleet.start_worker()

        wait_for_end(fleet, campaign, within_s=90)

        ended_well(fleet, campaign)


@pytest.mark.slow
def test_a_worker_told_to_stop_lets_go_in_time_and_another_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    """SIGTERM amid a batch: the batch comes home, the rest is somebody else's (row 25)."""
    slow = {"match": {"route": "batch", "times": None}, "act": {"do": "delay", "seconds": 2}}
    with a_submitted_campaign(tmp_path, sqlite_url, fault=slow) as (fleet, campaign):
        until(lambda: taken(fleet), fleet)
        fleet.workers[0].send_signal(signal.SIGTERM)

        assert fleet.workers[0].wait(timeout=25) == 0

        fleet.start_worker()
        wait_for_end(fleet, campaign, within_s=90)
        ended_well(fleet, campaign)


@pytest.mark.row(6)
@pytest.mark.slow
def test_a_redis_that_forgets_everything_costs_only_time(sqlite_url: str, tmp_path: Path) -> None:
    """FLUSHALL with the campaign's messages in it: the clock sends them again (row 6)."""
    with a_fleet(
        tmp_path, sqlite_url, simulate=SMALL, workers=0, settings={"CALPATCH_RESEND_AFTER": "3"}
    ) as fleet:
        campaign = submitted(fleet)
        with redis.Redis.from_url(fleet.valkey.url) as client:
            assert sum(client.llen(name) for name in message_lists("bulk")) == 1  # type: ignore[misc]
            client.flushall()
        fleet.start_worker()

        wait_for_end(fleet, campaign, within_s=60)

        ended_well(fleet, campaign)


@pytest.mark.row(5)
@pytest.mark.slow
def test_a_redis_that_restarts_empty_costs_only_time(sqlite_url: str, tmp_path: Path) -> None:
    """Killed and back without its data, under a running worker (row 5)."""
    slow = {"match": {"route": "batch", "times": None}, "act": {"do": "delay", "seconds": 0.5}}
    with a_submitted_campaign(tmp_path, sqlite_url, fault=slow) as (fleet, campaign):
        until(lambda: taken(fleet), fleet)
        fleet.valkey.kill()
        pause(1.0)
        fleet.valkey.start()

        wait_for_end(fleet, campaign, within_s=90)

        ended_well(fleet, campaign)


@pytest.mark.slow
def test_a_worker_without_its_key_says_so_once_and_stays(sqlite_url: str, tmp_path: Path) -> None:
    """One clear line with the remedy, no crash loop; with the key, everything goes on."""
    settings = {"CALPATCH_RESEND_AFTER": "2"}
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=0, settings=settings) as fleet:
        key = fleet.environ.pop("CALPATCH_VAULT_KEYS")
        keyless = fleet.start_worker()
        campaign = submitted(fleet)
        deadline = time.monotonic() + 40
        while "worker.cannot_start" not in fleet.logs():
            assert time.monotonic() < deadline, fleet.logs()[-2000:]
            pause(0.1)
        pause(3.0)
        assert keyless.poll() is None
        assert fleet.logs().count("CALPATCH_VAULT_KEYS") == 1
        assert "Traceback" not in fleet.logs()
        keyless.send_signal(signal.SIGTERM)
        assert keyless.wait(timeout=25) == 0

        fleet.environ["CALPATCH_VAULT_KEYS"] = key
        fleet.start_worker()
        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)


@pytest.mark.row(36)
@pytest.mark.slow
def test_messages_that_nobody_sent_are_dropped(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever can write to Redis can make no worker do anything but look (row 36)."""
    with a_submitted_campaign(tmp_path, sqlite_url) as (fleet, campaign):
        wait_for_end(fleet, campaign, within_s=60)
        before = taken(fleet)
        for chunk in ("c_other.1", f"{campaign}.1", "'; DROP TABLE edits; --", "x" * 100_000):
            forge(fleet, chunk)
        forge(fleet, "c_1", content_type="application/x-python-serialize", body="gASVAAAA")
        forge(fleet, "c_1", task="os.system")
        with redis.Redis.from_url(fleet.valkey.url) as client:
            deadline = time.monotonic() + 30
            while client.llen("calpatch:bulk"):
                assert time.monotonic() < deadline, fleet.logs()[-2000:]
                pause(0.1)

        again = submitted(fleet, "again")
        wait_for_end(fleet, again, within_s=60)

        assert fleet.workers[0].poll() is None, fleet.logs()[-2000:]
        assert taken(fleet) == before


def forge(
    fleet: Fleet,
    chunk: str,
    *,
    task: str = "calpatch.run_chunk",
    content_type: str = "application/json",
    body: str | None = None,
) -> None:
    """Push a message as somebody would who can write to Redis."""
    payload = body or base64.b64encode(json.dumps([[chunk], {}, {}]).encode()).decode()
    message = {
        "body": payload,
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"lang": "py", "task": task, "id": "forged", "argsrepr": "", "kwargsrepr": ""},
        "properties": {
            "correlation_id": "forged",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "bulk", "routing_key": "bulk"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "forged",
        },
    }
    with redis.Redis.from_url(fleet.valkey.url) as client:
        client.lpush("calpatch:bulk", json.dumps(message))
