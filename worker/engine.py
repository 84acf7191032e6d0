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
from worker.cronofy import CallCount, Cronofy, Herald, base_url
from worker.errors import LeaseLost, StoreUnavailable, WorkerError
from worker.guard import Guard
from worker.limits import CappedLimiter
from worker.model import CampaignState, Run
from worker.rules import PLAIN_TURN, Turn
from worker.settings import Settings
from worker.store import Account, CallRow, Claim, Note, Standing, Step, Store
from worker.tokens import Session, Vault

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

#: How often a run asks SQL whether it may still send, in seconds; so soon a cancelled campaign's
#: last POST has left.
ASK_EVERY_S = 1.0
#: The longest pause between two tries to write down what has happened, in seconds.
LONGEST_PAUSE_S = 2.0
#: how long a chunk on which workers have died waits for its turn, in seconds; its thread waits too
ALONE_WITHIN_S = 5.0


class Quarantine:
    """Has chunks on which workers have died taken one at a time, and one wait for its turn.

    A death is counted against whatever is claimed at that moment. So of such chunks no second one
    is even claimed, or an edit would be given up for what another one does.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._is_awaited = False

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Reserve the process; False when others are before, and then nothing may be claimed."""
        if self._is_awaited or not await self._entered():
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()

    async def _entered(self) -> bool:
        self._is_awaited = True
        try:
            async with asyncio.timeout(ALONE_WITHIN_S):
                return await self._lock.acquire()
        except TimeoutError:
            return False
        finally:
            self._is_awaited = False


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The process's resources; `owner` names it in leases and in the audit."""

    store: Store
    client: Cronofy
    limiter: CappedLimiter
    vault: Vault = field(repr=False)
    clock: Clock
    settings: Settings
    threads: Executor
    owner: str
    #: a random number in [0, 1), for jitter
    roll: Callable[[], float] = random
    quarantine: Quarantine = field(default_factory=Quarantine)

    @functools.cached_property
    def guard(self) -> Guard:
        """Who holds campaigns for their failures."""
        return Guard(self.store, clock=self.clock, in_thread=self.db)

    async def db(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run a statement in one of the threads for SQL.

        A cancelled run waits for it: a thread cannot be stopped, and what it writes late would
        meet what the run writes next.
        """
        bound = functools.partial(work, *args, **named)
        return await to_its_end(asyncio.get_running_loop().run_in_executor(self.threads, bound))

    def session(self, account: Account, calls: CallCount, *, turn: Turn = PLAIN_TURN) -> Session:
        """Open an account for one run; `turn` is where its calls stand in the limiter's line."""
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
            lease_s=self.settings.lease,
            turn=turn,
        )

    def batch_size(self, campaign_id: str, run: Run) -> int:
        """Return how many edits one batch of a campaign may carry now.

        All must fit into one grant, slowed down or not. Where each entry counts, an API that allows
        fewer a second than a batch has entries would refuse that batch for ever.
        """
        heaviest = self.limiter.cap(campaign_id, share=run.share, max_rps=run.max_rps)
        most = min(self.settings.batch_size, run.batch_size or self.settings.batch_size)
        return most if self.settings.batch_counts_as == "one" else min(most, heaviest)


def herald_of(store: Store, threads: Executor) -> Herald:
    """Return who tells people, by a sign in SQL, which data centers do not answer."""

    async def herald(data_center: str, wait_s: float | None) -> None:
        note = functools.partial(store.queue.note_outage, data_center, wait_s=wait_s)
        try:
            await asyncio.get_running_loop().run_in_executor(threads, note)
        except StoreUnavailable:
            log.warning("outage.not_told", data_center=data_center)

    return herald


async def to_its_end(done: asyncio.Future[T]) -> T:
    """Wait for what cannot be called off; cancelled, wait all the same, and be cancelled then."""
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        if not done.cancelled():
            done.exception()  # looked at, or the loop complains that nobody did
        raise


async def leased(
    engine: Engine, claim: Callable[..., Claim | list[Claim] | None], name: str
) -> list[Claim]:
    """Claim a chunk or an account's chunks; cancelled meanwhile, what was claimed is given back.

    Otherwise a stopping worker would leave leases that nobody holds, and a rescue to each.
    """
    asked = engine.db(claim, name, owner=engine.owner, lease_s=engine.settings.lease)
    claiming = asyncio.ensure_future(asked)
    try:
        return _listed(await asyncio.shield(claiming))
    except asyncio.CancelledError:
        with contextlib.suppress(WorkerError):
            for one in _listed(await claiming):
                await engine.db(engine.store.chunks.release, one, keeps_rescues=True)
        raise


def _listed(found: Claim | list[Claim] | None) -> list[Claim]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


@dataclass(slots=True)
class _Page:
    """What one caller has to write down, and who is told when it is."""

    steps: Sequence[Step]
    notes: Sequence[Note]
    done: asyncio.Future[None]


def call_rows(counted: CallCount) -> list[CallRow]:
    """Return counted calls as they are stored."""
    return [CallRow(route, status, count) for (route, status), count in counted.calls.items()]


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
        #: as SQL last told it
        self.campaign_state = claim.campaign.state
        self.run = claim.campaign.run
        self._pages: list[_Page] = []
        self._writer: asyncio.Task[None] | None = None

    def session(self) -> Session:
        """Open the chunk's account; its calls take turns with those of others."""
        campaign, account = self.claim.campaign, self.claim.account
        self._cap()
        turn = Turn(campaign.lane == "interactive", campaign.id, account.sub)
        return self._engine.session(account, self.calls, turn=turn)

    def _cap(self) -> None:
        """Have the campaign's own limit hold for all that it calls next."""
        run = self.run
        self._engine.limiter.cap(self.claim.campaign.id, share=run.share, max_rps=run.max_rps)

    @property
    def is_held(self) -> bool:
        """Tell whether the lease surely still holds."""
        age_s = self._engine.clock.monotonic() - self._renewed_at
        return not self._lost and age_s <= self._lease_s * 0.9

    def check(self) -> None:
        """Raise LeaseLost unless the lease surely still holds."""
        if not self.is_held:
            raise LeaseLost(f"The lease of chunk {self.claim.chunk_id} has run out")

    async def record(self, steps: Sequence[Step], notes: Sequence[Note] = ()) -> None:
        """Write steps and audit, fenced by the epoch; what comes meanwhile is written together.

        A chunk's lanes record at the same time: one transaction for all of them costs hardly more
        than one for each.
        """
        done = asyncio.get_running_loop().create_future()
        self._pages.append(_Page(steps, notes, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_pages())
        await to_its_end(done)

    async def _write_pages(self) -> None:
        while self._pages:
            pages = self._next_pages()
            steps = [step for page in pages for step in page.steps]
            notes = [note for page in pages for note in page.notes]
            try:
                await self._write(steps, notes)
            except BaseException as failed:
                for page in pages:
                    page.done.set_exception(failed)
            else:
                for page in pages:
                    page.done.set_result(None)

    def _next_pages(self) -> list[_Page]:
        """Take what can be written together: of one edit's steps the later one waits."""
        pages: list[_Page] = []
        lines: set[int] = set()
        while self._pages and lines.isdisjoint(step.line_no for step in self._pages[0].steps):
            page = self._pages.pop(0)
            lines.update(step.line_no for step in page.steps)
            pages.append(page)
        return pages

    async def _write(self, steps: Sequence[Step], notes: Sequence[Note]) -> None:
        """Write; while the database is away try again, as long as the lease holds.

        What an API call has brought home is worth the wait (row 9), and to write the same twice
        changes nothing.
        """
        calls = self.take_calls()
        pause_s = 0.1
        while True:
            asked_at = self._engine.clock.monotonic()
            try:
                standing = await self._engine.db(
                    self._engine.store.chunks.record,
                    self.claim,
                    steps,
                    lease_s=self._lease_s,
                    notes=notes,
                    calls=calls,
                )
                break
            except StoreUnavailable:
                if not self.is_held:
                    raise
                log.warning("outcome.not_recorded", chunk=self.claim.chunk_id)
            await self._engine.clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._renewed(asked_at, standing)
        campaign, state = self.claim.campaign, standing.state
        if await self._engine.guard.saw(campaign, standing.run, state, steps):
            self.campaign_state = CampaignState.PAUSED

    def _renewed(self, asked_at: float, standing: Standing) -> None:
        # Two answers may come in any order; the lease is as long as the later question made it.
        if asked_at >= self._renewed_at:
            self._renewed_at = asked_at
            self.campaign_state, self.run = standing
            self._cap()

    def take_calls(self) -> list[CallRow]:
        """Return the calls counted since the last time."""
        rows = call_rows(self.calls)
        self.calls.calls.clear()
        return rows

    async def keep(self) -> None:
        """Renew the lease for as long as the run goes on, where no record has done so."""
        period_s = min(self._lease_s / 4, ASK_EVERY_S)
        while True:
            await asyncio.sleep(period_s)
            asked_at = self._engine.clock.monotonic()
            if asked_at - self._renewed_at < period_s:
                continue
            try:
                standing = await self._engine.db(
                    self._engine.store.chunks.renew, self.claim, lease_s=self._lease_s
                )
                self._renewed(asked_at, standing)
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
        await asyncio.gather(*keepers, return_exceptions=True)
