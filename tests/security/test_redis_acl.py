"""deploy/redis-acl.conf: enough for everything that calpatch does, and for nothing else (C 6).

The suite's own Valkey has these users: fleets, limiters and commands run as the one of them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import ACL
from tests.fleet import Fleet, a_fleet, pause
from worker.cli.reach import reached_redis
from worker.embedded import ACL_USER, ValkeyServer, valkey_server
from worker.errors import SettingsError
from worker.model import ENDED

pytestmark = pytest.mark.redis

SIMULATE = ["--accounts", "3", "--events", "30", "--rate", "off", "--behaviour", "lag_s=0.2"]

#: what whoever has the workers' password still cannot do
REFUSED = [
    "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "CONFIG GET requirepass", "CONFIG SET save x",
    "CONFIG REWRITE", "SHUTDOWN NOSAVE", "MONITOR", "ACL LIST", "ACL WHOAMI",
    "ACL SETUSER x on", "CLIENT LIST", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "SAVE",
    "BGREWRITEAOF", "REPLICAOF 127.0.0.1 9", "FUNCTION LIST", "SCRIPT FLUSH",
    "SLOWLOG GET", "LATENCY RESET", "SWAPDB 0 1", "DUMP calpatch:bulk", "RANDOMKEY", "DBSIZE",
    "EVAL return(1) 0", "PUBLISH calpatch:/0.celery.pidbox y", "PUBLISH x y",
    "SUBSCRIBE calpatch:x", "PSUBSCRIBE *", "MIGRATE h 1 k 0 1", "SORT k",
    "GET other", "SET other 1", "LPUSH celery x", "DEL _kombu.binding.bulk", "RENAME calpatch:a b",
]  # fmt: skip


@pytest.fixture
def user(valkey: ValkeyServer) -> Iterator[Any]:
    """A connection of the workers' user."""
    with redis.Redis.from_url(valkey.user_url, decode_responses=True) as client:
        yield client


@pytest.mark.parametrize("command", REFUSED)
def test_what_workers_do_not_need_is_refused(user: Any, command: str) -> None:
    """A stolen password of a worker's stops, empties and shows nothing."""
    with pytest.raises(redis.exceptions.NoPermissionError):
        user.execute_command(*command.split())


@pytest.mark.parametrize("command", ["DEBUG SLEEP 0", "MODULE LOAD x"])
def test_what_nobody_may_do_is_refused_too(user: Any, command: str) -> None:
    """The server's own settings forbid it before it looks at rights."""
    with pytest.raises(redis.exceptions.ResponseError, match=r"not allowed|no permissions"):
        user.execute_command(*command.split())


@pytest.mark.parametrize(
    "script",
    [
        "return redis.call('FLUSHALL')",
        "return redis.call('CONFIG', 'GET', '*')",
        "return redis.call('GET', 'other')",
        "return redis.call('KEYS', '*')",
    ],
)
def test_a_script_may_do_no_more_than_its_user(user: Any, script: str) -> None:
    """Scripts cannot be forbidden: the limiter is one. They get around nothing."""
    run = user.register_script(script)
    with pytest.raises(
        redis.exceptions.ResponseError, match=r"ACL failure in script|not allowed from script"
    ):
        run()


def test_without_a_password_there_is_nothing(valkey: ValkeyServer) -> None:
    """In the file that is deployed the default user is off."""
    with (
        redis.Redis(port=valkey.port) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()
    users = [line for line in ACL.read_text().splitlines() if line and not line.startswith("#")]
    assert users[0] == "user default off"
    assert len(users) == 2


def test_the_file_holds_a_hash_and_no_password() -> None:
    """It is in the repository: what it needs is put in where it is deployed."""
    [line] = [each for each in ACL.read_text().splitlines() if f"user {ACL_USER}" in each]
    words = line.split()
    assert [word for word in words if word.startswith((">", "#"))] == ["#PASSWORD_SHA256"]
    assert "nopass" not in words
    assert [word for word in words if word.startswith(("~", "%", "allkeys"))] == ["~calpatch:*"]
    channels = [word for word in words if word.startswith("&") or word == "allchannels"]
    assert channels == ["&calpatch:/*.celeryev/*"], "no orders to workers"
    assert not [word for word in words if word.startswith("+@")], "categories grow with a server"


def test_a_user_without_the_rights_is_told_so(valkey: ValkeyServer) -> None:
    """Not as a server that is away: the next step is another."""
    with (
        pytest.raises(SettingsError, match="the user lacks rights"),
        reached_redis(valkey.user_url) as client,
    ):
        client.config_get("maxmemory")


def denials(server: ValkeyServer) -> list[str]:
    """Return what was refused to the workers' user, as the server's own log of it says."""
    with redis.Redis.from_url(server.url, decode_responses=True) as admin:
        return [f"{each['reason']} {each['object']}" for each in admin.acl_log(count=100)]


@pytest.mark.slow
@pytest.mark.parametrize("delivery", ["early", "late"])
def test_a_whole_campaign_is_refused_nothing(
    sqlite_url: str, tmp_path: Path, delivery: str
) -> None:
    """Workers that start, stop politely, die and come back; the clock; every command."""
    settings = {"CALPATCH_DELIVERY": delivery, "CALPATCH_RESEND_AFTER": "3"}
    with a_fleet(tmp_path, sqlite_url, simulate=SIMULATE, settings=settings) as fleet:
        submitted = fleet.calpatch("submit", "edits.csv", "--key", "k", "--reason", "t", "--yes")
        assert submitted.returncode == 0, submitted.stderr
        fleet.workers[0].kill()
        fleet.workers[1].send_signal(signal.SIGTERM)
        fleet.start_worker()
        for command in ("doctor", "limits", "status --latest", "accounts check"):
            ended = fleet.calpatch(*command.split())
            assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        _wait_for_end(fleet)
        assert "NoPermission" not in fleet.logs()
        assert "NOPERM" not in fleet.logs()
        assert denials(fleet.valkey) == []


def _wait_for_end(fleet: Fleet) -> None:
    deadline = time.monotonic() + 90
    while (found := fleet.store.campaigns.get("k")) is None or found.state not in ENDED:
        assert time.monotonic() < deadline, fleet.logs()[-3000:]
        pause(0.2)


def test_a_denial_would_be_seen() -> None:
    """The log that is empty above has what is refused."""
    with valkey_server(acl=ACL) as server, redis.Redis.from_url(server.user_url) as client:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
        assert denials(server) == ["command flushall"]
