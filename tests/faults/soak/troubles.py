"""Everything that a soak does to a running deployment, each with how it ends.

A trouble begins at once and returns what ends it; the soak chooses which, and for how long.
"""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import psycopg
import redis

from tests.fleet import Fleet, pause
from tests.runs import fault
from worker.embedded import PostgresServer

#: ends a trouble
End = Callable[[], None]


class Place(NamedTuple):
    """Where troubles happen; the first worker is left alive, so that its memory tells something."""

    fleet: Fleet
    postgres: PostgresServer | None
    rng: random.Random

    @property
    def victim(self) -> subprocess.Popen[bytes]:
        """Some worker but the first."""
        return self.rng.choice(self.fleet.workers[1:])


class Trouble(NamedTuple):
    """A kind of fault, the rows of the matrix that it stands for, and how to begin it."""

    name: str
    rows: str
    begin: Callable[[Place], End]
    #: least and most seconds until it ends
    lasts: tuple[float, float] = (0.0, 0.0)
    needs_postgres: bool = False

    @property
    def where(self) -> str:
        """What it is done to: of two at once each is done to something else."""
        if self.needs_postgres:
            return "PostgreSQL"
        return next((name for name in ("Redis", "API") if name in self.name), "processes")


def nothing() -> None:
    """End what has ended by itself."""


# ---------------------------------------------------------------- processes


def kill_a_worker(place: Place) -> End:
    """SIGKILL, wherever it is."""
    place.victim.kill()
    return nothing


def kill_most_workers(place: Place) -> End:
    """SIGKILL to all but the first at once."""
    for worker in place.fleet.workers[1:]:
        worker.kill()
    return nothing


def stop_a_worker(place: Place) -> End:
    """SIGTERM, as a deployment does."""
    place.victim.send_signal(signal.SIGTERM)
    return nothing


def freeze_a_worker(place: Place) -> End:
    """SIGSTOP past its lease: a zombie comes back that believes it holds its chunks."""
    victim = place.victim
    victim.send_signal(signal.SIGSTOP)
    return lambda: victim.send_signal(signal.SIGCONT)


def kill_the_clock(place: Place) -> End:
    """SIGKILL to the clock."""
    if place.fleet.clock is not None:
        place.fleet.clock.kill()
    return nothing


# ---------------------------------------------------------------- Redis


def _client(place: Place) -> redis.Redis:
    return redis.Redis.from_url(place.fleet.valkey.url, socket_timeout=5)


def flush(place: Place) -> End:
    """FLUSHALL: messages and limiter are gone."""
    with _client(place) as client:
        client.flushall()
    return nothing


def delete_keys(place: Place) -> End:
    """Delete each key with a chance of a half."""
    with _client(place) as client:
        for key in client.scan_iter():
            if place.rng.random() < 0.5:
                client.delete(key)
    return nothing


def kill_clients(place: Place) -> End:
    """CLIENT KILL, ten times over."""
    with _client(place) as client:
        for _ in range(10):
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub", skipme=True)
            pause(0.2)
    return nothing


def redis_down(place: Place) -> End:
    """Kill the server, which keeps nothing, and start it again."""
    place.fleet.valkey.kill()
    return place.fleet.valkey.start


def redis_flaps(place: Place) -> End:
    """Kill and start it four times."""
    for _ in range(4):
        place.fleet.valkey.kill()
        pause(place.rng.uniform(0.1, 1.0))
        place.fleet.valkey.start()
        pause(place.rng.uniform(0.1, 1.0))
    return nothing


def redis_frozen(place: Place) -> End:
    """SIGSTOP to the server: connections stay, nobody answers."""
    place.fleet.valkey.pause()
    return place.fleet.valkey.resume


# ---------------------------------------------------------------- links


def link(name: str, deed: str, *given: Any, **named: Any) -> Callable[[Place], End]:
    """Return what commands a proxy."""

    def begin(place: Place) -> End:
        proxy = place.fleet.proxies[name]
        getattr(proxy, deed)(*given, **named)
        return proxy.heal

    return begin


def resets(name: str, most: int) -> Callable[[Place], End]:
    """Return what resets each connection after a random number of bytes, either way."""

    def begin(place: Place) -> End:
        proxy = place.fleet.proxies[name]
        proxy.reset_after(place.rng.randrange(1, most), place.rng.choice(["up", "down"]))
        return proxy.heal

    return begin


# ---------------------------------------------------------------- SQL


def sql_down(place: Place) -> End:
    """Stop the server as a crash does, and start it again."""
    assert place.postgres is not None
    place.postgres.kill()
    return place.postgres.start


def terminate_backends(place: Place) -> End:
    """pg_terminate_backend on all of calpatch's connections, five times."""
    assert place.postgres is not None
    with psycopg.connect(place.postgres.url(), autocommit=True) as connection:
        for _ in range(5):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'calpatch'"
            )
            pause(0.2)
    return nothing


# ---------------------------------------------------------------- the API


def api(match: Mapping[str, Any], act: Mapping[str, Any]) -> Callable[[Place], End]:
    """Return what arms a fault of the simulator until it ends."""

    def begin(place: Place) -> End:
        fault(place.fleet, {"times": None, **match}, act)
        return lambda: place.fleet.control("faults", None, method="DELETE")

    return begin


def people_edit(place: Place) -> End:
    """Have people rename ten of their events at the provider."""
    events = place.fleet.simulator_lines("events")
    for one in place.rng.sample(events, 10):
        if one["event"]["deleted"]:
            continue
        fields = {"summary": f"{one['event']['summary']}, renamed"[:100]}
        where = {"calendar_id": one["calendar_id"], "event_uid": one["event_uid"]}
        place.fleet.control("events/edit", where | {"fields": fields})
    return nothing


def tokens_expire(place: Place) -> End:
    """Have the access tokens of all accounts run out."""
    for sub in {one["sub"] for one in place.fleet.simulator_lines("events")}:
        place.fleet.control(f"accounts/{sub}", {"set": "expired"})
    return nothing


_SHORT, _LONG = (3.0, 8.0), (8.0, 20.0)

TROUBLES = (
    Trouble("worker killed", "1-3", kill_a_worker),
    Trouble("all workers but one killed", "1-3", kill_most_workers),
    Trouble("worker stopped politely", "25", stop_a_worker),
    Trouble("worker frozen past its lease", "22", freeze_a_worker, (25.0, 30.0)),
    Trouble("clock killed", "1", kill_the_clock),
    Trouble("Redis flushed", "6", flush),
    Trouble("half of Redis' keys deleted", "6", delete_keys),
    Trouble("Redis' clients killed", "5", kill_clients),
    Trouble("Redis down, empty after", "5", redis_down, _SHORT),
    Trouble("Redis flapping", "5", redis_flaps),
    Trouble("Redis frozen", "7", redis_frozen, _LONG),
    Trouble("link to Redis cut", "5", link("redis", "cut"), _SHORT),
    Trouble("link to Redis half-open", "7", link("redis", "half_open"), _LONG),
    Trouble("link to Redis slow", "7", link("redis", "slow", latency_s=0.2), _SHORT),
    Trouble("PostgreSQL down", "9", sql_down, _LONG, needs_postgres=True),
    Trouble("PostgreSQL's backends killed", "10", terminate_backends, needs_postgres=True),
    Trouble("link to PostgreSQL cut", "9", link("database", "cut"), _LONG, needs_postgres=True),
    Trouble("link to PostgreSQL frozen", "9", link("database", "freeze"), _SHORT, True),
    Trouble("link to PostgreSQL reset", "9, 10", resets("database", 30_000), _SHORT, True),
    Trouble(
        "answers to COMMIT lost",
        "9, 10",
        link("database", "lose_answer", b"COMMIT", times=None),
        _SHORT,
        needs_postgres=True,
    ),
    Trouble("link to the API cut", "12", link("api", "cut"), _LONG),
    Trouble("link to the API reset", "12", resets("api", 6_000), _SHORT),
    Trouble("link to the API half-open", "12", link("api", "half_open"), _SHORT),
    Trouble("link to the API slow", "14", link("api", "slow", 20_000.0, 0.2), _SHORT),
    Trouble("API answers 503, writes taken", "11, 12", api(
        {"route": "batch"}, {"do": "reply", "status": 503, "taken": True}), _SHORT),
    Trouble("API answers 500 to all", "11", api(
        {"route": "any"}, {"do": "reply", "status": 500}), _LONG),
    Trouble("API answers garbage", "13", api(
        {"route": "any", "probability": 0.5}, {"do": "garbage"}), _SHORT),
    Trouble("API cuts its answers short", "13", api(
        {"route": "any", "probability": 0.5}, {"do": "truncate"}), _SHORT),
    Trouble("API resets after taking", "12", api(
        {"route": "batch"}, {"do": "reset", "taken": True}), _SHORT),
    Trouble("API hangs after taking", "12", api(
        {"route": "batch", "probability": 0.3}, {"do": "hang", "taken": True, "seconds": 40}),
        _SHORT),
    Trouble("API trickles", "14", api(
        {"route": "events", "probability": 0.3}, {"do": "slow", "bytes_per_s": 50}), _SHORT),
    Trouble("API refuses with 429, Retry-After", "15", api(
        {"route": "any"}, {"do": "reply", "status": 429, "retry_after": 2}), _SHORT),
    Trouble("API refuses with 429, no header", "16", api(
        {"route": "any", "probability": 0.5}, {"do": "reply", "status": 429}), _SHORT),
    Trouble("API loses accepted writes", "2", api(
        {"route": "batch_item", "probability": 0.2}, {"do": "drop"}), _SHORT),
    Trouble("people edit their events", "23", people_edit),
    Trouble("all access tokens run out", "17", tokens_expire),
)  # fmt: skip
