"""What `calpatch doctor` examines: each check says ok, warn or fail, and what to do then.

A check that depends on another one that failed says so rather than failing too.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import redis
from msgspec import Struct

from worker.cli.context import pace_of, refuse_missing_file
from worker.cli.reach import REACH_S, reached_redis
from worker.cli.talk import plural
from worker.cronofy import base_url
from worker.errors import WorkerError
from worker.model import AccountStatus
from worker.report.reasons import CLOCK, QUIET_S, WORKER
from worker.rules import format_seconds
from worker.settings import Settings
from worker.store import Account, Store, versions

Verdict: TypeAlias = Literal["ok", "warn", "fail"]

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}
#: the first SQLite with everything that our statements use (RETURNING, UPDATE FROM, ->>)
OLDEST_SQLITE = (3, 38, 0)


class Finding(Struct, frozen=True, kw_only=True):
    """One line of the doctor."""

    name: str
    status: Verdict
    detail: str
    next_step: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Run all checks, in the order in which they are to be mended."""
    found = [*_settings(settings)]
    store, finding = _open(settings)
    found.append(finding)
    try:
        found += [*_redis(settings), _host(settings)]
        if store is not None:
            found += [_vault(settings, store), *_accounts(store), *_pulses(store)]
    finally:
        if store is not None:
            store.database.dispose()
    return found


def ok(name: str, detail: str) -> Finding:
    """Return good news."""
    return Finding(name=name, status="ok", detail=detail)


def fail(name: str, detail: str, next_step: str) -> Finding:
    """Return what keeps campaigns from running."""
    return Finding(name=name, status="fail", detail=detail, next_step=next_step)


def warn(name: str, detail: str, next_step: str) -> Finding:
    """Return what will hurt later."""
    return Finding(name=name, status="warn", detail=detail, next_step=next_step)


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """Turn an error on purpose into a finding."""
    try:
        return check()
    except WorkerError as error:
        return fail(name, error.message, error.next_step)


def _settings(settings: Settings) -> Iterator[Finding]:
    def complete() -> Finding:
        settings.need("vault_keys", "cronofy_client_id", "cronofy_client_secret")
        return ok("settings", "complete")

    def rate() -> Finding:
        granted = pace_of(settings).granted_per_min
        per_min = f"{granted:,.0f} calls a minute" if granted else "unlimited"
        return ok("rate", f"{settings.share:.0%} of {settings.rate}: {per_min}")

    yield _guarded("settings", complete)
    yield _guarded("rate", rate)


def _open(settings: Settings) -> tuple[Store | None, Finding]:
    from worker.app import open_store

    try:
        refuse_missing_file(settings.database_url)
        store = open_store(settings)
        current, _ = versions(store.database)
        server = _server(store)
    except WorkerError as error:
        return None, fail("database", error.message, error.next_step)
    if store.database.is_sqlite and _numbers(server) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        return store, warn("database", f"SQLite {server}", f"Use SQLite {oldest} or newer")
    kind = "SQLite" if store.database.is_sqlite else "PostgreSQL"
    return store, ok("database", f"{kind} {server}, schema {current}")


def _server(store: Store) -> str:
    sql = "SELECT sqlite_version()" if store.database.is_sqlite else "SHOW server_version"
    with store.database.read() as connection:
        return str(connection.exec_driver_sql(sql).scalar_one())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _redis(settings: Settings) -> Iterator[Finding]:
    try:
        with reached_redis(settings.redis_url) as client:
            yield ok("redis", _version(client.info("server")))
            yield from _refusing(client)
            yield from _kept(client)
            yield _messages(client)
    except WorkerError as error:
        yield fail("redis", error.message, error.next_step)


def _version(server: Any) -> str:
    if valkey := server.get("valkey_version"):
        return f"Valkey {valkey}"
    return f"Redis {server.get('redis_version', 'of unknown version')}"


def _refusing(client: redis.Redis) -> Iterator[Finding]:
    """Look for what has Redis answer, and take nothing."""
    replication: Any = client.info("replication")
    memory: Any = client.info("memory")
    most, used = int(memory.get("maxmemory", 0)), int(memory.get("used_memory", 0))
    if replication.get("role") == "slave" and int(replication.get("slave_read_only", 1)):
        step = "Set CALPATCH_REDIS_URL to the primary"
        yield fail("writes", "refused: this is a read-only replica", step)
    elif 0 < most <= used:
        step = "Raise its maxmemory, or remove what else it holds"
        yield fail("writes", "refused: its memory is full", step)


def _kept(client: redis.Redis) -> Iterator[Finding]:
    """Look at what Redis may throw away; a managed one may not tell, which is no fault."""
    memory: Any = client.info("memory")
    persistence: Any = client.info("persistence")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield ok("eviction", "noeviction")
    else:
        wrong = f"{policy}: Redis may forget what has been sent, and the limit with it"
        yield fail("eviction", wrong, "CONFIG SET maxmemory-policy noeviction")
    if int(persistence.get("aof_enabled", 0)):
        yield ok("aof", "on: messages and the limit's log survive a restart")
    else:
        lost = "off: after a restart of Redis messages are sent again, which costs a minute"
        yield warn("aof", lost, "CONFIG SET appendonly yes")


def _messages(client: redis.Redis) -> Finding:
    """Count what waits in Redis: a queue is a list for each priority."""
    from worker.dispatch import QUEUES, message_lists

    counts = [sum(int(_length(client, name)) for name in message_lists(queue)) for queue in QUEUES]
    named = [f"{queue} {count}" for queue, count in zip(QUEUES, counts, strict=True) if count]
    return ok("messages", f"waiting for a worker: {', '.join(named) or 'none'}")


def _length(client: redis.Redis, name: str) -> Any:
    return client.llen(name)


def _host(settings: Settings) -> Finding:
    def reach() -> Finding:
        url = urlsplit(base_url("us", settings.api_url))
        port = url.port or (443 if url.scheme == "https" else 80)
        name = f"{url.hostname}:{port}"
        try:
            with socket.create_connection((str(url.hostname), port), timeout=REACH_S) as plain:
                if url.scheme == "https":
                    context = ssl.create_default_context()
                    context.wrap_socket(plain, server_hostname=url.hostname).close()
        except OSError as error:
            step = "Check the network, the proxy, and CALPATCH_API_URL if you set it"
            return fail("api", f"{name} cannot be reached ({type(error).__name__})", step)
        return ok("api", f"{name} answers{' over TLS' if url.scheme == 'https' else ''}")

    return _guarded("api", reach)


def _vault(settings: Settings, store: Store) -> Finding:
    def opens() -> Finding:
        from worker.tokens import Vault

        vault = Vault(settings.keys)
        sealed = store.accounts.all()
        for account in sealed:
            vault.open(account.sub, account.refresh_token)
        return ok("vault", f"opens the tokens of {plural(len(sealed), 'account')}")

    return _guarded("vault", opens)


def _accounts(store: Store) -> Iterator[Finding]:
    found = store.accounts.all()
    if not found:
        yield warn("accounts", "none", "Run `calpatch accounts import accounts.csv`")
        return
    parked = [each for each in found if each.status is AccountStatus.PARKED]
    lost = [each for each in found if each.status is AccountStatus.LOST]
    if not parked and not lost:
        yield ok("accounts", f"{len(found)} active")
    if parked:
        step = "Ask the owners to reconnect, then `calpatch accounts check`"
        yield warn("accounts", f"{len(parked)} locked: {_some(parked)}", step)
    if lost:
        step = "Have them authorized again, then `calpatch accounts import`"
        yield warn("accounts", f"{len(lost)} lost: {_some(lost)}", step)


def _some(accounts: list[Account]) -> str:
    names = ", ".join(account.sub for account in accounts[:3])
    return f"{names}, …" if len(accounts) > 3 else names  # noqa: PLR2004 - a line's worth


def _pulses(store: Store) -> Iterator[Finding]:
    pulses = store.queue.pulses()
    age = pulses.get(CLOCK)
    if age is not None and age < QUIET_S:
        yield ok("clock", f"last seen {age:.0f} s ago")
    else:
        seen = f"last seen {format_seconds(age)} ago" if age is not None else "never seen"
        yield warn("clock", seen, "Start it: calpatch beat")
    workers = [name for name, each in pulses.items() if name.startswith(WORKER) and each < QUIET_S]
    if workers:
        yield ok("workers", f"{len(workers)} seen in the last {QUIET_S:.0f} s")
    else:
        yield warn("workers", f"none seen in the last {QUIET_S:.0f} s", "Start one: calpatch work")
