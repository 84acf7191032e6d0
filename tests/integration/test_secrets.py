"""No token and no event text where they do not belong: logs, Redis, the database's bytes."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from tests.fleet import a_fleet, pause
from worker.intake.producer import Order, submit
from worker.model import ENDED, Policy

#: words that the simulator puts into people's calendars, and that appear nowhere else
TEXT_FIELDS = ("summary", "description")


def test_canaries_are_found_nowhere(tmp_path: Path, sqlite_url: str) -> None:
    """A whole run at DEBUG: tokens and titles are looked for in all that it leaves behind."""
    simulate = [
        "--accounts", "3", "--events", "40", "--rate", "off",
        "--behaviour", "rotate_refresh_tokens=true", "--behaviour", "dropped=0.05",
    ]  # fmt: skip
    settings = {"CALPATCH_LOG_LEVEL": "DEBUG", "CALPATCH_VERIFY_WITHIN": "2"}
    with a_fleet(tmp_path, sqlite_url, simulate=simulate, settings=settings) as fleet:
        seen_in_redis = b""
        campaign = submit(
            fleet.settings,
            fleet.store,
            path=str(fleet.edits),
            order=Order(key="k", reason="test", owner="test", policy=Policy()),
        ).campaign.id
        with redis.Redis.from_url(fleet.valkey.url) as client:
            deadline = time.monotonic() + 60
            while True:
                seen_in_redis += dump(client)
                found = fleet.store.campaigns.get(campaign)
                assert found is not None
                if found.state in ENDED:
                    break
                assert time.monotonic() < deadline, fleet.logs()[-2000:]
                pause(0.1)
        tokens = tokens_of(tmp_path / "accounts.csv")
        titles = {
            one["initial"][name] for one in fleet.simulator_lines("events") for name in TEXT_FIELDS
        }
        logs = fleet.logs()
    database = b"".join(path.read_bytes() for path in tmp_path.glob("calpatch.db*"))

    assert "call.ended" in logs, "the run was not at DEBUG"
    assert "exception" not in logs
    for token in tokens:
        assert token not in logs
        assert token.encode() not in seen_in_redis
        assert token.encode() not in database
    for title in titles:
        if len(title) > 8:  # a short word may be part of anything
            assert title not in logs
            assert title.encode() not in seen_in_redis


def dump(client: redis.Redis) -> bytes:
    """Return the names and values of all keys."""
    parts = []
    for key in client.scan_iter(count=1000):
        parts.append(key)
        parts.append(client.dump(key) or b"")
        if client.type(key) == b"list":
            parts += client.lrange(key, 0, -1)
        if client.type(key) == b"hash":
            parts += client.hgetall(key).values()
    return b"\n".join(parts)


def tokens_of(path: Path) -> set[str]:
    """Return every token in an accounts file."""
    lines = path.read_text().splitlines()
    header = lines[0].split(",")
    places = [header.index(name) for name in ("access_token", "refresh_token")]
    return {line.split(",")[place] for line in lines[1:] for place in places}
