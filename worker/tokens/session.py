"""One account's access for one run: opened late, refreshed by one process at a time.

A token is decrypted for the call that needs it. Of all processes that find it expired, one takes
the refresh lease in SQL and asks the API; the others wait for the row to change. A rotated refresh
token is stored before the new access token is used: a crash in between would lose the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from worker.clock import Clock
from worker.cronofy import Access, CallCount, Cronofy, Departure, TokenSet, bring_home
from worker.errors import StoreUnavailable, TokenLost, Unauthorized
from worker.limits import WaitTooLong
from worker.model import AccountStatus, Code
from worker.rules import PLAIN_TURN, Turn
from worker.store import Account, Store
from worker.tokens.vault import Vault

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: A token that expires within so many seconds is refreshed before it is used.
MARGIN_S = 60.0
#: How long others wait for the one that refreshes, in seconds; how often they look.
WAIT_FOR_OTHERS_S, LOOK_AGAIN_S = 120.0, 0.25
#: How long new tokens are kept in hand while the database is away, in seconds.
SAVE_WITHIN_S = 60.0


class Session:
    """Calls on behalf of one account, by several tasks of one run."""

    def __init__(
        self,
        account: Account,
        *,
        store: Store,
        vault: Vault,
        client: Cronofy,
        clock: Clock,
        base_url: str,
        credentials: tuple[str, str],
        calls: CallCount,
        in_thread: Callable[..., Awaitable[T]],
        lease_s: float,
        turn: Turn = PLAIN_TURN,
    ) -> None:
        """`lease_s` is how long a refresher that has died keeps others off."""
        self._account = account
        self._store = store
        self._vault = vault
        self._client = client
        self._clock = clock
        self._base_url = base_url
        self._credentials = credentials
        self._calls = calls
        self._turn = turn
        self._lease_s = lease_s
        self._in_thread: Callable[..., Awaitable[object]] = in_thread
        self._good_until = _good_until(account, clock)
        self._refusals = 0
        self._renewing = asyncio.Lock()

    async def use(self, call: Callable[[Access], Awaitable[T]]) -> T:
        """Make a read with a good token; a 401 refreshes it once and tries again.

        Raises TokenLost when the account is of no use any more.
        """
        access = await self.access()
        try:
            return await call(access)
        except Unauthorized:
            await self.refused(access)
        try:
            return await call(await self.access())
        except Unauthorized as again:
            raise self._given_up() from again

    async def refused(self, access: Access) -> None:
        """Answer a 401: refresh, once in a run. Raises TokenLost when a new token is refused too.

        The 401 of a call that left with an older token than today's says nothing about this one.
        """
        async with self._renewing:
            if access.version != self._account.token_version:
                return
            self._refusals += 1
            if self._refusals > 1:
                raise self._given_up()
            await self._renew()

    async def access(self) -> Access:
        """Return what a call needs, refreshing first what is about to expire."""
        if self._is_stale:
            async with self._renewing:
                if self._is_stale:
                    await self._renew()
        return self._now()

    async def lives(self) -> bool:
        """Find out, after a call has failed, whether the account's data center answers at all.

        With the token of now, expired or not: its refusal is an answer as well. Raises VaultError.
        """
        return await self._client.lives(self._now(), calls=self._calls)

    @property
    def wait_s(self) -> float:
        """Seconds until the data center is asked again; 0 while it answers."""
        return self._client.wait_s(self._base_url)

    @property
    def back_for_s(self) -> float:
        """Seconds since the data center's last outage ended; infinite when there was none."""
        return self._client.back_for_s(self._base_url)

    def _now(self) -> Access:
        return Access(
            sub=self._account.sub,
            base_url=self._base_url,
            token=self._opened(self._account),
            version=self._account.token_version,
            turn=self._turn,
        )

    def _opened(self, account: Account) -> str:
        return self._vault.open(account.sub, account.access_token)

    @property
    def _is_stale(self) -> bool:
        return self._good_until is not None and self._clock.monotonic() > self._good_until

    async def renew(self) -> None:
        """Have newer tokens than those of now, by our own refresh or another process's."""
        async with self._renewing:
            await self._renew()

    async def _renew(self) -> None:
        seen = self._account.token_version
        deadline = self._clock.monotonic() + WAIT_FOR_OTHERS_S
        while self._clock.monotonic() < deadline:
            account = await self._reload()
            # Not "greater": an account that was forgotten and imported again counts from 0.
            if account.token_version != seen:
                self._take(account)
                return
            lease = _RefreshLease(account, self._clock, seconds=self._lease_s)
            if await self._db(
                self._store.accounts.take_refresh, account.sub, version=seen, lease_s=self._lease_s
            ):
                await self._refresh_under(lease, account)
                self._take(await self._reload(), is_new=True)
                return
            await self._clock.sleep(LOOK_AGAIN_S)
        raise self._too_long()

    async def _refresh_under(self, lease: _RefreshLease, account: Account) -> None:
        """Refresh, and keep the others off meanwhile: two at a time could lose the account."""

        def check() -> None:
            if not lease.is_held():
                raise self._too_long()

        keeping = asyncio.create_task(lease.keep(self._store, self._in_thread))
        departure = Departure(check)
        try:
            await bring_home(self._refresh(account, departure), departure)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    def _too_long(self) -> WaitTooLong:
        return WaitTooLong(f"Account {self._account.sub}: its refresh takes too long", wait_s=0.0)

    def _given_up(self) -> TokenLost:
        return TokenLost(
            f"Account {self._account.sub}: the token is refused even after a refresh",
            reason=Code.UNAUTHORIZED,
        )

    async def _reload(self) -> Account:
        account = await self._db(self._store.accounts.get, self._account.sub)
        if not isinstance(account, Account) or account.status is AccountStatus.LOST:
            raise TokenLost(
                f"Account {self._account.sub} has no authorization", reason=Code.ACCOUNT_LOST
            )
        return account

    async def _refresh(self, account: Account, departure: Departure) -> None:
        """Ask for new tokens and store them; without an answer to store, let others try."""
        try:
            tokens = await self._ask(account, departure)
        except TokenLost:
            if await self._lose(account):
                raise
            return
        except BaseException:
            departure.stay()
            await self._db(
                self._store.accounts.drop_refresh, account.sub, version=account.token_version
            )
            raise
        saved = await self._save(account, tokens)
        if saved:
            await self._find(account)
        log.info("token.refreshed" if saved else "token.refreshed_too_late", account=account.sub)

    async def _ask(self, account: Account, departure: Departure) -> TokenSet:
        client_id, client_secret = self._credentials
        refresh_token = self._vault.open(account.sub, account.refresh_token)
        departure.wait()
        return await self._client.refresh(
            base_url=self._base_url,
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=refresh_token,
            calls=self._calls,
            departure=departure,
            turn=self._turn,
            probe_token=self._opened(account),
        )

    async def _save(self, account: Account, tokens: TokenSet) -> bool:
        """Store new tokens; while the database is away try again: the old ones may be void now.

        False when somebody has imported the account meanwhile, whose tokens are newer.
        """
        deadline = self._clock.monotonic() + SAVE_WITHIN_S
        while True:
            try:
                saved = await self._db(
                    self._store.accounts.save_tokens,
                    account.sub,
                    access_token=self._vault.seal(account.sub, tokens.access_token),
                    refresh_token=self._vault.seal(account.sub, tokens.refresh_token),
                    expires_in_s=tokens.expires_in_s,
                    version=account.token_version,
                )
            except StoreUnavailable:
                if self._clock.monotonic() > deadline:
                    raise
                log.warning("token.not_stored", account=account.sub)
                await self._clock.sleep(2 * LOOK_AGAIN_S)
            else:
                return bool(saved)

    async def _lose(self, account: Account) -> bool:
        """Mark the account as lost, unless it has been authorized anew meanwhile: then False."""
        now = await self._db(self._store.accounts.get, account.sub)
        if isinstance(now, Account) and now.token_version != account.token_version:
            return False
        await self._db(
            self._store.accounts.set_status,
            account.sub,
            AccountStatus.LOST,
            reason=str(Code.ACCOUNT_LOST),
            actor="calpatch",
        )
        return True

    async def _find(self, account: Account) -> None:
        """Take back that the account is lost, now that its tokens are new.

        Another process has asked with the old ones while this one slept over its lease.
        """
        now = await self._db(self._store.accounts.get, account.sub)
        if isinstance(now, Account) and now.status is AccountStatus.LOST:
            await self._db(
                self._store.accounts.set_status,
                account.sub,
                AccountStatus.ACTIVE,
                actor="calpatch",
            )

    def _take(self, account: Account, *, is_new: bool = False) -> None:
        self._account = account
        self._good_until = _good_until(account, self._clock, is_new=is_new)

    async def _db(self, work: Callable[..., T], *args: object, **named: object) -> T:
        return await self._in_thread(work, *args, **named)  # type: ignore[return-value]


class _RefreshLease:
    """The right to refresh an account: short, so that a dead process holds nobody up for long."""

    def __init__(self, account: Account, clock: Clock, *, seconds: float) -> None:
        self._account = account
        self._clock = clock
        self._seconds = seconds
        self._renewed_at = clock.monotonic()

    def is_held(self) -> bool:
        """Tell whether nobody else can have taken it: a process may have slept over it."""
        return self._clock.monotonic() - self._renewed_at <= self._seconds * 0.9

    async def keep(self, store: Store, in_thread: Callable[..., Awaitable[object]]) -> None:
        """Renew it again and again, as long as it surely is this process's."""
        while self.is_held():
            await asyncio.sleep(self._seconds / 4)
            asked_at = self._clock.monotonic()
            sub, version = self._account.sub, self._account.token_version
            try:
                if self.is_held() and await in_thread(
                    store.accounts.keep_refresh, sub, version=version, lease_s=self._seconds
                ):
                    self._renewed_at = asked_at
            except StoreUnavailable:
                log.warning("refresh.not_renewed", account=sub)


def _good_until(account: Account, clock: Clock, *, is_new: bool = False) -> float | None:
    if account.expires_in_s is None:
        return None
    # A new token is used, however short its life: or each call would refresh it again.
    margin_s = min(MARGIN_S, account.expires_in_s / 2) if is_new else MARGIN_S
    return clock.monotonic() + account.expires_in_s - margin_s
