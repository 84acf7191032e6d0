"""Wiring: from settings to resources, and the producer's one call; for CLI and tasks."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from worker.clock import SystemClock
from worker.cronofy import Access, Breakers, CallCount, ClientLimits, Cronofy, open_session
from worker.engine import Engine, herald_of
from worker.errors import (
    ApiError,
    CircuitOpen,
    CredentialsLocked,
    NotFound,
    SettingsError,
    TokenLost,
    VaultError,
    WorkerError,
)
from worker.limits import CappedLimiter, Rate, RedisLimiter, open_limiter, parse_rate
from worker.model import AccountStatus, Code
from worker.settings import Settings
from worker.store import Database, Keyring, Store, require_schema
from worker.tokens import Vault

log = structlog.get_logger(__name__)

#: threads for SQL in a worker process; the pool has as many connections
SQL_THREADS = 8


def open_store(settings: Settings, *, check_schema: bool = True) -> Store:
    """Open the database; raises SettingsError or StoreUnavailable with the next step."""
    database = Database(settings.database_url, pool_size=SQL_THREADS)
    if check_schema:
        try:
            require_schema(database)
        except WorkerError:
            database.dispose()
            raise
    return Store(database, keyring=_keyring(settings), seals=settings.seal_images)


def _keyring(settings: Settings) -> Keyring:
    """Return the vault. Without usable keys, one that says so when it is asked: reports work."""
    try:
        return Vault(settings.keys)
    except VaultError as missing:
        return _NoVault(missing)


class _NoVault:
    """Stands for a vault that cannot be: opens and seals nothing."""

    def __init__(self, why: VaultError) -> None:
        self._why = why

    def seal(self, sub: str, secret: str) -> bytes:  # noqa: ARG002 - the vault's own signature
        raise self._why

    def open(self, sub: str, sealed: bytes) -> str:  # noqa: ARG002
        raise self._why


def limiter_of(settings: Settings) -> RedisLimiter:
    """Open the shared limiter. Raises SettingsError for a rate that makes no sense."""
    try:
        rate = parse_rate(settings.rate)
    except ValueError as wrong:
        raise SettingsError(
            f"CALPATCH_RATE: {wrong}", next_step="Write it as in 50/s,500/min"
        ) from wrong
    return open_limiter(
        settings.redis_url, rate=rate, share=settings.share, margin_s=settings.rate_margin
    )


def _maker(settings: Settings) -> Callable[[str, Rate], RedisLimiter]:
    """Return what makes the limiters of campaigns that go slower than they may."""

    def make(name: str, rate: Rate) -> RedisLimiter:
        return open_limiter(
            settings.redis_url, rate=rate, share=1.0, name=f"campaign:{name}", settle_s=0.0
        )

    return make


@asynccontextmanager
async def open_engine(settings: Settings, *, store: Store | None = None) -> AsyncIterator[Engine]:
    """Open everything a run needs, and close it again; one for each process, inside its loop."""
    settings.need("vault_keys", "cronofy_client_id", "cronofy_client_secret")
    vault = Vault(settings.keys)
    limiter = CappedLimiter(limiter_of(settings), _maker(settings))
    owned = store is None
    store = store or open_store(settings)
    limits = ClientLimits(batch_counts_as=settings.batch_counts_as, queue_s=settings.chunk_budget)
    clock = SystemClock()
    threads = ThreadPoolExecutor(SQL_THREADS, thread_name_prefix="sql")
    try:
        async with open_session(limits) as session:
            breakers = Breakers(clock=clock, herald=herald_of(store, threads))
            yield Engine(
                store=store,
                client=Cronofy(session, limiter, clock=clock, limits=limits, breakers=breakers),
                limiter=limiter,
                vault=vault,
                clock=clock,
                settings=settings,
                threads=threads,
                owner=worker_name(),
            )
    finally:
        await limiter.aclose()
        threads.shutdown(wait=True)
        if owned:
            store.database.dispose()


def worker_name() -> str:
    """Return what this process signs with, in leases and in the audit."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"


# ---------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """What a check of an account found; `elevated` counts calendars that may be edited."""

    sub: str
    status: AccountStatus
    reason: str
    calendars: int = 0
    elevated: int = 0


async def check_accounts(settings: Settings, subs: Sequence[str] = ()) -> list[AccountCheck]:
    """Ask the API about accounts, all when none is named: are they connected, what may be edited.

    A parked account that answers is active again. Raises NotFound for a name that is not known.
    """
    async with open_engine(settings) as engine:
        known = {account.sub: account for account in engine.store.accounts.all()}
        if missing := [sub for sub in subs if sub not in known]:
            raise NotFound(
                f"No such account: {', '.join(missing)}", next_step="See `calpatch accounts list`"
            )
        return [await _check_account(engine, sub) for sub in (subs or sorted(known))]


async def _check_account(engine: Engine, sub: str) -> AccountCheck:
    account = engine.store.accounts.get(sub)
    if account is None:  # pragma: no cover - forgotten while we were looking
        return AccountCheck(sub=sub, status=AccountStatus.LOST, reason="forgotten")
    if account.status is AccountStatus.LOST:
        return AccountCheck(sub=sub, status=account.status, reason=account.reason)
    calls = CallCount()
    session = engine.session(account, calls)
    try:

        async def look(access: Access) -> AccountCheck:
            info = await engine.client.account(access, calls=calls)
            if not any(profile.connected for profile in info.profiles):
                raise CredentialsLocked("No profile is connected", status=423)
            listed = await engine.client.calendars(access, calls=calls)
            engine.store.accounts.save_calendars(sub, listed)
            return AccountCheck(
                sub=sub,
                status=AccountStatus.ACTIVE,
                reason="",
                calendars=len(listed),
                elevated=sum(one.elevated and not (one.read_only or one.deleted) for one in listed),
            )

        found = await session.use(look)
    except (ApiError, CircuitOpen, TokenLost, VaultError) as refused:
        return _failed_check(engine, sub, refused)
    engine.store.accounts.set_status(sub, AccountStatus.ACTIVE, actor=engine.owner)
    return found


def _failed_check(
    engine: Engine, sub: str, refused: ApiError | CircuitOpen | TokenLost | VaultError
) -> AccountCheck:
    """Park or lose an account by what the API said; an API that is down changes nothing."""
    account = engine.store.accounts.get(sub)
    status = account.status if account else AccountStatus.LOST
    reason = type(refused).__name__
    if isinstance(refused, CredentialsLocked):
        status, reason = AccountStatus.PARKED, str(Code.ACCOUNT_LOCKED)
    elif isinstance(refused, TokenLost) and refused.reason == Code.UNAUTHORIZED:
        status, reason = AccountStatus.PARKED, refused.reason
    elif isinstance(refused, TokenLost):
        status, reason = AccountStatus.LOST, refused.reason
    else:
        return AccountCheck(sub=sub, status=status, reason=f"not checked: {refused.message}")
    engine.store.accounts.set_status(
        sub, status, reason=reason, retry_in_s=engine.settings.parked_retry, actor=engine.owner
    )
    return AccountCheck(sub=sub, status=status, reason=reason)
