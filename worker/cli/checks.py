"""What `calpatch doctor` examines: each check says ok, warn or fail, and what to do then.

A check that depends on another one that failed says so rather than failing too.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import redis
from msgspec import Struct

from worker.cli.context import pace_of, refuse_missing_file
from worker.cli.flaws import flaw_of
from worker.cli.reach import REACH_S, reached_redis
from worker.cli.talk import plural
from worker.cronofy import base_url
from worker.errors import WorkerError
from worker.model import AccountStatus
from worker.report.reasons import CLOCK, WORKER
from worker.report.snapshot import QUIET_S, outages_in
from worker.rules import format_seconds, place
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
            found += [*_file(store), _vault(settings, store), *_keys(settings, store)]
            found += [*_accounts(store), *_pulses(store)]
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
            yield _redis_server(client.info("server"))
            yield from _refusing(client)
            yield from _kept(client)
            yield _messages(client)
    except WorkerError as error:
        yield fail("redis", error.message, error.next_step)


def _redis_server(server: Any) -> Finding:
    named = _version(server)
    product, _, version = named.partition(" ")
    known, wanted = flaw_of(product, version)
    if not known:
        return ok("redis", named)
    step = f"Use {wanted}, unless your distributor has mended this one"
    return warn("redis", f"{named} is known for {known}", step)


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
        if url.scheme == "http" and not _is_near(str(url.hostname)):
            open_ = f"{name} answers, but without TLS: tokens would travel in the open"
            return warn("api", open_, "Use https:// in CALPATCH_API_URL")
        return ok("api", f"{name} answers{' over TLS' if url.scheme == 'https' else ''}")

    return _guarded("api", reach)


def _is_near(host: str) -> bool:
    """Tell whether a host is this machine itself: what goes there passes no network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(store: Store) -> Iterator[Finding]:
    """Look at who else may read SQLite's files: texts of events are in them."""
    if (path := store.database.file) is None:
        return
    files = [each for each in (path, *path.parent.glob(f"{path.name}-*")) if each.exists()]
    others = [each.name for each in files if each.stat().st_mode & 0o077]
    if others:
        step = f"chmod 600 {' '.join(others)}"
        yield warn("file", f"others may read {', '.join(others)}", step)


def _keys(settings: Settings, store: Store) -> Iterator[Finding]:
    """Look for keys that are of no use any more, and for values that still need an old one."""
    from worker.tokens import Vault, key_uses

    try:
        uses = key_uses(store, Vault(settings.keys))
    except WorkerError:
        return  # told already
    old = sum(each.values for each in uses if each.role == "opens")
    spare = [each.id for each in uses if each.is_spare]
    if old:
        sealed = f"{plural(old, 'value')} sealed with an older key"
        yield warn("keys", sealed, "Run `calpatch keys rotate`")
    elif spare:
        step = "Take it out of CALPATCH_VAULT_KEYS once every worker runs with the new key first"
        yield warn("keys", f"not needed any more: {', '.join(spare)}", step)


def _vault(settings: Settings, store: Store) -> Finding:
    def opens() -> Finding:
        from worker.tokens import Vault

        vault = Vault(settings.keys)
        sealed = store.accounts.all()
        for account in sealed:
            vault.open(account.sub, account.access_token)
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
    for name, wait_s in outages_in(pulses).items():
        when = f"next try in {format_seconds(wait_s)}" if wait_s else "trying again"
        step = "Nothing is lost: campaigns wait, and go on by themselves once it answers"
        yield warn("outage", f"workers get no answer from the API ({place(name)}); {when}", step)
