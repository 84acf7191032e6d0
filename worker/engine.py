"""What a run needs, opened once for each process and passed in; and the lease that it holds.

SQL is synchronous and runs in threads of its own, HTTP on the event loop: `engine.db(...)` is the
bridge between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import random
from typing import ParamSpec, TypeVar

import structlog

from worker.clock import Clock
from worker.cronofy import CallCount, Cronofy, base_url
from worker.errors import LeaseLost, StoreUnavailable
from worker.limits import Limiter
from worker.model import CampaignState
from worker.settings import Settings
from worker.store import Account, CallRow, Claim, Note, Step, Store
from worker.tokens import Session, Vault

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The process's resources; `owner` names it in leases and in the audit."""

    store: Store
    client: Cronofy
    limiter: Limiter
    vault: Vault = field(repr=False)
    clock: Clock
    settings: Settings
    threads: Executor
    owner: str
    #: a random number in [0, 1), for jitter
    roll: Callable[[], float] = random

    async def db(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run a statement in one of the threads for SQL."""
        bound = functools.partial(work, *args, **named)
        return await asyncio.get_running_loop().run_in_executor(self.threads, bound)

    def session(self, account: Account, calls: CallCount) -> Session:
        """Open an account for one run."""
        return Session(
            account,
            store=self.store,
            vault=self.vault,
            client=self.client,
            clock=self.clock,
            base_url=base_url(account.data_center, self.settings.api_url),
            credentials=(
                self.settings.cronofy_client_id,
                self.settings.cronofy_client_secret.get_secret_value(),
            ),
            calls=calls,
            in_thread=self.db,
        )

    @property
    def batch_size(self) -> int:
        """How many edits one batch may carry under the limit: all must fit into one grant."""
        if self.settings.batch_counts_as == "one":
            return self.settings.batch_size
        return min(self.settings.batch_size, self.limiter.max_weight)


class Hold:
    """A leased chunk, kept alive in the background; every effect asks `check` first.

    A process that was frozen past its lease wakes up believing that it still holds the chunk: the
    monotonic clock tells it otherwise before it writes to anybody's calendar.
    """

    def __init__(self, engine: Engine, claim: Claim) -> None:
        self.claim = claim
        self.calls = CallCount()
        self._engine = engine
        self._lease_s = engine.settings.lease
        self._renewed_at = engine.clock.monotonic()
        self._lost = False

    def check(self) -> None:
        """Raise LeaseLost unless the lease surely still holds."""
        age_s = self._engine.clock.monotonic() - self._renewed_at
        if self._lost or age_s > self._lease_s * 0.9:
            raise LeaseLost(f"The lease of chunk {self.claim.chunk_id} has run out")

    async def record(self, steps: Sequence[Step], notes: Sequence[Note] = ()) -> CampaignState:
        """Write steps and audit, fenced by the epoch; returns the campaign's state now."""
        asked_at = self._engine.clock.monotonic()
        state = await self._engine.db(
            self._engine.store.chunks.record,
            self.claim,
            steps,
            lease_s=self._lease_s,
            notes=notes,
            calls=self.take_calls(),
        )
        self._renewed_at = asked_at
        return state

    def take_calls(self) -> list[CallRow]:
        """Return the calls counted since the last time."""
        rows = [
            CallRow(route, status, count) for (route, status), count in self.calls.calls.items()
        ]
        self.calls.calls.clear()
        return rows

    async def keep(self) -> None:
        """Renew the lease for as long as the run goes on."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            asked_at = self._engine.clock.monotonic()
            try:
                await self._engine.db(
                    self._engine.store.chunks.renew, self.claim, lease_s=self._lease_s
                )
                self._renewed_at = asked_at
            except LeaseLost:
                self._lost = True
                return
            except StoreUnavailable:
                log.warning("lease.not_renewed", chunk=self.claim.chunk_id)


@asynccontextmanager
async def holding(engine: Engine, claims: Sequence[Claim]) -> AsyncIterator[list[Hold]]:
    """Keep the leases of these claims while the block runs."""
    holds = [Hold(engine, claim) for claim in claims]
    keepers = [asyncio.create_task(hold.keep()) for hold in holds]
    try:
        yield holds
    finally:
        for keeper in keepers:
            keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*keepers, return_exceptions=True)
