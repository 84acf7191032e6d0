"""Rows 5 to 8: Redis dies, forgets, freezes and refuses; only time is lost."""

from __future__ import annotations

import random
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.faults.test_rows_sql_fleet import intents
from tests.fleet import Fleet, a_fleet, pause
from tests.runs import (
    BRIEF,
    SMALL,
    ended_well,
    simulator_stats,
    slowly,
    submitted,
    taken,
    until,
    wait_for_end,
)

#: small chunks, of which some wait in Redis, and small batches, of which some are at the API
SLOW = BRIEF | {"CALPATCH_BATCH_SIZE": "4", "CALPATCH_CHUNK_SIZE": "8"}


def client_of(fleet: Fleet) -> redis.Redis:
    """Open a client that goes straight to Valkey."""
    return redis.Redis.from_url(fleet.valkey.url)


def kill_clients(client: redis.Redis) -> int:
    """End all other connections to Valkey; returns how many there were."""
    return int(client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))


@pytest.mark.slow
@pytest.mark.row(5)
@pytest.mark.parametrize(
    ("delivery", "appendonly"), [("early", False), ("late", True)], ids=["early", "late, AOF"]
)
def test_redis_dies_and_comes_back_again_and_again(
    sqlite_url: str, tmp_path: Path, delivery: str, *, appendonly: bool
) -> None:
    """Once, then flapping, then thirty rounds of lost connections: no loss, nothing twice.

    With late acknowledgement kombu may take the worker down with it: hence the supervisor.
    """
    settings = SLOW | {"CALPATCH_DELIVERY": delivery}
    with a_fleet(
        tmp_path, sqlite_url, simulate=SMALL, workers=2, concurrency=2, settings=settings,
        supervised=True, appendonly=appendonly,
    ) as fleet:  # fmt: skip
        slowly(fleet, 1.0)
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        for down_s in (1.0, 0.1, 0.1, 0.1):
            fleet.valkey.kill()
            pause(down_s)
            fleet.valkey.start()
            pause(0.3)
        with client_of(fleet) as client:
            for _ in range(30):
                until(lambda: len(client.client_list("normal")) > 3, fleet)
                kill_clients(client)

        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)


@pytest.mark.slow
@pytest.mark.row(5)
def test_a_worker_whose_acknowledgement_failed_takes_messages_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Redis is away when its only thread has done its work: the thread is free all the same.

    Otherwise the worker takes no message any more, and says nothing.
    """
    settings = SLOW | {"CALPATCH_DELIVERY": "late"}
    with a_fleet(
        tmp_path, sqlite_url, simulate=SMALL, workers=1, concurrency=1, settings=settings,
        supervised=True,
    ) as fleet:  # fmt: skip
        slowly(fleet, 1.0)
        campaign = submitted(fleet)
        sent = 0
        while "Couldn't ack" not in fleet.logs():
            until(lambda: len(intents(fleet, campaign)) > sent, fleet)  # noqa: B023 - asked at once
            sent = len(intents(fleet, campaign))
            fleet.valkey.kill()
            pause(2.0)
            fleet.valkey.start()

        wait_for_end(fleet, campaign, within_s=60)
        ended_well(fleet, campaign)


@pytest.mark.slow
@pytest.mark.row(6)
def test_redis_forgets_keys_at_random(sqlite_url: str, tmp_path: Path) -> None:
    """Queues, bindings, unacknowledged messages, the limiter's log: gone one by one, or all.

    The campaign ends soon after the last fault, and the limit has held in every window.
    """
    simulate = ["--accounts", "2", "--events", "60", "--rate", "10/s,100/20s",
                "--behaviour", "lag_s=0.2"]  # fmt: skip
    settings = BRIEF | {
        "CALPATCH_BATCH_SIZE": "2",
        "CALPATCH_CHUNK_SIZE": "10",
        "CALPATCH_RATE": "10/s,100/20s",
    }
    with a_fleet(tmp_path, sqlite_url, simulate=simulate, settings=settings) as fleet:
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        gone: set[str] = set()
        with client_of(fleet) as client:
            for round_ in range(40):
                if round_ in {9, 25}:
                    client.flushall()
                if keys := client.keys("*"):  # type: ignore[misc]
                    key = random.choice(sorted(keys))  # type: ignore[type-var]
                    client.delete(key)
                    gone.add(key.decode().split(":")[-1])
                pause(0.1)
        assert {"log", "born"} & gone, gone

        wait_for_end(fleet, campaign, within_s=90)
        ended_well(fleet, campaign)
        stats = simulator_stats(fleet)
        assert stats["refused"] == 0, stats
        assert stats["busiest_with_refused"]["1s"] <= 10
        assert stats["busiest_with_refused"]["20s"] <= 100


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(7)
@pytest.mark.parametrize("fault", ["frozen", "half-open"])
def test_commands_answer_while_redis_does_not(sqlite_url: str, tmp_path: Path, fault: str) -> None:
    """`submit`, `status` and `doctor` say in plain words what is wrong; the campaign is saved.

    When Redis is back, it runs by itself.
    """
    with a_fleet(
        tmp_path, sqlite_url, simulate=SMALL, workers=1, through={"redis"}, settings=BRIEF,
        supervised=True,
    ) as fleet:  # fmt: skip
        until(fleet.store.queue.pulses, fleet)
        if fault == "frozen":
            fleet.valkey.pause()
        else:
            fleet.proxies["redis"].half_open()
        commands = [
            (["submit", "edits.csv", "--key", "k", "--reason", "r", "--yes"], 0, "Redis does not"),
            (["status", "--latest"], 0, "Redis does not answer"),
            (["doctor"], 7, "does not answer within 3 s"),
        ]
        for command, code, said in commands[: 3 if fault == "frozen" else 1]:
            began = time.monotonic()
            answer = fleet.calpatch(*command)
            took_s = time.monotonic() - began
            words = answer.stdout + answer.stderr
            assert answer.returncode == code, words
            assert "Traceback" not in words
            assert said in words
            assert took_s < 10, words  # the row's own promise
        found = fleet.store.campaigns.latest()
        assert found is not None
        if fault == "frozen":
            fleet.valkey.resume()
        else:
            fleet.proxies["redis"].heal()

        wait_for_end(fleet, found.id, within_s=60)
        ended_well(fleet, found.id)


def refusals(fleet: Fleet) -> dict[str, tuple[list[str], list[str]]]:
    """Return what the doctor calls it, and how it begins and ends."""
    address = urlsplit(fleet.environ["CALPATCH_REDIS_URL"])
    password = ["acl", "setuser", address.username or "default", "resetpass"]
    return {
        "its memory is full": (
            ["config", "set", "maxmemory", "1"],
            ["config", "set", "maxmemory", "0"],
        ),
        "a read-only replica": (["replicaof", "127.0.0.1", "1"], ["replicaof", "no", "one"]),
        "refuses the user or password": (
            [*password, ">another"],
            [*password, f">{address.password}"],
        ),
    }


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.row(8)
@pytest.mark.parametrize("delivery", ["early", "late"])
def test_a_redis_that_refuses_stops_nothing_for_good(
    sqlite_url: str, tmp_path: Path, delivery: str
) -> None:
    """What Redis refuses is told in a line; no worker dies of it, and all goes on afterwards.

    With late acknowledgement kombu may take the worker down with it: hence the supervisor.
    """
    settings = SLOW | {"CALPATCH_DELIVERY": delivery}
    with a_fleet(
        tmp_path, sqlite_url, simulate=SMALL, workers=1, concurrency=2, settings=settings,
        supervised=delivery == "late",
    ) as fleet:  # fmt: skip
        slowly(fleet, 0.5)
        campaign = submitted(fleet)
        until(lambda: taken(fleet), fleet)
        with client_of(fleet) as client:
            for number, (said, (begin, end)) in enumerate(refusals(fleet).items()):
                client.execute_command(*begin)
                kill_clients(client)
                doctor = fleet.calpatch("doctor")
                assert said in doctor.stdout
                assert doctor.returncode == 7
                assert "Traceback" not in doctor.stderr
                if not number:
                    arguments = ("--key", "k2", "--reason", "r", "--yes")
                    another = fleet.calpatch("submit", "edits.csv", *arguments)
                    assert another.returncode == 0, another.stderr
                    assert "Redis does not take messages" in another.stderr
                    assert "Traceback" not in another.stderr
                client.execute_command(*end)

        wait_for_end(fleet, campaign, within_s=60)
        if delivery == "early":
            assert all(worker.poll() is None for worker in fleet.workers), fleet.logs()[-3000:]
        ended_well(fleet, campaign)
