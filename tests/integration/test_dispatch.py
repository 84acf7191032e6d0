"""Messages on a real broker: which list they are in, and in which order a worker takes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from celery import Celery

from tests.fleet import pause
from worker.cli.checks import _messages
from worker.dispatch import QUEUES, Publisher, broker_settings, message_lists
from worker.embedded import ValkeyServer
from worker.rules import Candidate, Pick
from worker.settings import Settings
from worker.store import Due

#: A worker that notes what it takes; it is configured as ours are.
PROBE = """
import sys
from celery import Celery
from worker.dispatch import RUN_CHUNK, VERIFY_ACCOUNT, broker_settings
from worker.settings import Settings

app = Celery("probe")
app.conf.update(broker_settings(Settings.load()), worker_enable_remote_control=False)
def note(name):
    with open("taken", "a") as taken:
        taken.write(name + "\\n")
for name in (RUN_CHUNK, VERIFY_ACCOUNT, "calpatch.sweep"):
    app.task(name=name)(note)
"""


@contextmanager
def a_probe(folder: Path, settings: Settings) -> Iterator[Path]:
    """Start the worker; yields the file that it writes to."""
    (folder / "probe.py").write_text(PROBE)
    command = [
        "-A",
        "probe",
        "worker",
        "-P",
        "solo",
        "--without-gossip",
        "--without-mingle",
        "-l",
        "WARNING",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", *command],
        cwd=folder,
        env=os.environ | {"CALPATCH_REDIS_URL": settings.redis_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        yield folder / "taken"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Settings with nothing but the broker."""
    return Settings.load({"CALPATCH_REDIS_URL": redis_url})


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    """A Celery application of its own, with the deployment's configuration of the broker."""
    app = Celery("test", set_as_current=False)
    app.conf.update(broker_settings(settings), worker_hijack_root_logger=False)
    with app:
        yield app


def a_pick(name: str, *, lane: str, is_first: bool) -> Pick:
    """Return a pick of a chunk, or of an account of the same name."""
    return Pick(Candidate(name, name), lane, is_first)


def everything() -> Due:
    """Return one message of each kind, the last one first."""
    return Due(
        runs=(
            a_pick("night more", lane="bulk", is_first=False),
            a_pick("night first", lane="bulk", is_first=True),
            a_pick("now more", lane="interactive", is_first=False),
            a_pick("now first", lane="interactive", is_first=True),
        ),
        proofs=(a_pick("proof of night", lane="bulk", is_first=False),),
    )


def publish_all(app: Celery, settings: Settings) -> None:
    """Publish one of each, the round of the clock last."""
    with Publisher(settings, app=app) as publisher:
        assert publisher.publish(everything()) == 5
    app.send_task("calpatch.sweep", args=["sweep"], queue="upkeep", ignore_result=True)


def test_a_worker_that_starts_later_takes_them_by_priority(
    app: Celery, settings: Settings, tmp_path: Path
) -> None:
    """First chunks overtake what others have out already, and nothing waits in a list unseen."""
    publish_all(app, settings)
    with a_probe(tmp_path, settings) as taken:
        deadline = time.monotonic() + 40
        while not taken.exists() or len(taken.read_text().splitlines()) < 6:
            assert time.monotonic() < deadline
            pause(0.1)
        assert taken.read_text().splitlines() == [
            "sweep", "now first", "now more", "night first", "night more", "proof of night",
        ]  # fmt: skip


def test_the_doctor_counts_every_list(
    app: Celery, settings: Settings, valkey: ValkeyServer
) -> None:
    """LLEN of the queue's name alone would tell of the highest priority only."""
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        assert _messages(client).detail == "waiting for a worker: none"
        publish_all(app, settings)
        lengths = [[client.llen(name) for name in message_lists(queue)] for queue in QUEUES]
        assert lengths == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 2]]
        found = _messages(client).detail
        assert found == "waiting for a worker: upkeep 1, interactive 2, bulk 3"
        names = {name for name in client.keys("calpatch:*") if "kombu" not in name}  # type: ignore[union-attr]
        assert names <= {name for queue in QUEUES for name in message_lists(queue)}
