"""A process: a worker, or the clock. It may be killed at any effect, frozen, or told to stop.

Killed means that from then on none of its effects lands: SQL and network refuse it, and what it had
begun is never answered. Its tasks are unwound, since Python must, but nobody can tell.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.simulation.clock import RUNNING, SimulatedClock
from tests.faults.simulation.network import Wire
from tests.world import a_limiter
from worker.cronofy import ClientLimits, Cronofy
from worker.dispatch import RUN_CHUNK, relay
from worker.engine import Engine
from worker.errors import StoreUnavailable, WorkerError
from worker.run import run_chunk
from worker.store import Claim
from worker.sweep import sweep
from worker.verify import verify_account

if TYPE_CHECKING:
    from tests.faults.simulation.broker import Message
    from tests.faults.simulation.world import World

#: Seconds that a statement waits for its thread, and that its answer takes back, at most.
SQL_S = 0.004
#: How the next transactions of a process fail: before they begin, at the commit, or with the
#: commit done and its answer lost.
OUTAGES = ("refused", "rolled_back", "unanswered")

LIMITS = ClientLimits(batch_counts_as="one", queue_s=75.0)


class Killed(BaseException):
    """Raised in a dead process by whatever would have had an effect."""


class Process:
    """One process's resources and tasks. `name` is what it signs with."""

    def __init__(self, world: World, name: str, *, skew_s: float = 0.0) -> None:
        self.world = world
        self.name = name
        self.is_frozen = False
        self.is_dead = False
        self.is_stopping = False
        self.parked: list[asyncio.Handle] = []
        self.tasks: dict[asyncio.Task[None], None] = {}
        #: when an account's events were last shown to it
        self.reads: dict[str, float] = {}
        #: when it was last frozen, thawed, or left without SQL; when it asked for new tokens
        self.disturbed_at = self.refreshed_at = -1e9
        #: how its next transactions fail
        self.outages: deque[str] = deque()
        #: the lease under which the statement in hand writes
        self.claim: Claim | None = None
        self._waiting: dict[asyncio.Future[Any], None] = {}
        self._context = copy_context()
        self._context.run(RUNNING.set, self)
        self.engine = self._engine(skew_s)

    def _engine(self, skew_s: float) -> Engine:
        world = self.world
        clock = SimulatedClock(world.loop, skew_s=skew_s, began_s=world.rng.uniform(0, 1e6))
        limiter = a_limiter("200/s", clock)
        return Engine(
            store=world.store,
            client=Cronofy(Wire(self), limiter, clock=clock, limits=LIMITS),  # type: ignore[arg-type]
            limiter=limiter,
            vault=world.vault,
            clock=clock,
            settings=world.settings,
            threads=self,  # type: ignore[arg-type]
            owner=self.name,
            roll=world.rng.random,
        )

    @property
    def is_free(self) -> bool:
        """Tell whether it takes messages."""
        return not (self.is_frozen or self.is_dead or self.is_stopping)

    # ------------------------------------------------------------ its work

    def receive(self, message: Message) -> None:
        """Begin the task of a message."""
        self._begin(self._handle(message))

    def tick(self) -> None:
        """Do the clock's round."""
        self._begin(self._sweep())

    async def _handle(self, message: Message) -> None:
        """Do what `tasks.chunks` does."""
        try:
            if message.task == RUN_CHUNK:
                came_of_it: object = await run_chunk(self.engine, message.name)
            else:
                came_of_it = await verify_account(self.engine, message.name)
            if came_of_it:
                relay(self.engine.store, self.world.broker.publisher, self.engine.settings)
        except asyncio.CancelledError:
            if not self.is_dead:
                self.world.broker.put_back(message)
        except WorkerError as known:
            self.world.count(f"left by {type(known).__name__}")

    async def _sweep(self) -> None:
        """Do what `tasks.upkeep` does."""
        try:
            sweep(self.engine.store, self.world.broker.publisher, self.engine.settings)
        except WorkerError as known:
            self.world.count(f"left by {type(known).__name__}")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.world.loop.create_task(work, context=self._context.copy())
        self.tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not (self.is_dead and isinstance(error, Killed)):
            self.world.watch.note(f"{self.name} died of {error!r}")

    # ------------------------------------------------------------ its life

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self.is_dead, self.is_frozen = True, False
        self.world.loop._ready.extend(self.parked)
        self.parked.clear()
        for waiting in list(self._waiting):
            if not waiting.done():
                waiting.set_exception(Killed())
                waiting.exception()  # looked at, or the loop complains that nobody did
        for task in list(self.tasks):
            task.cancel()

    def stop(self) -> None:
        """Tell it to stop, as a deployment does: it lets go of what it holds."""
        self.is_stopping = True
        for task in list(self.tasks):
            task.cancel()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; it will not know."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Let it go on: it believes that no time has passed."""
        self.is_frozen = False
        self.world.loop._ready.extend(self.parked)
        self.parked.clear()

    def must_live(self) -> None:
        """Raise unless what it does now still counts."""
        if self.is_dead:
            raise Killed

    def answer_later(self) -> asyncio.Future[Any]:
        """Return a future that a death fails."""
        future = self.world.loop.create_future()
        self._waiting[future] = None
        future.add_done_callback(self._forget)
        if self.is_dead:
            future.set_exception(Killed())
        return future

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self._waiting.pop(future, None)
        if not future.cancelled():
            future.exception()

    # ------------------------------------------------------------ its threads for SQL

    def carry_out(self, work: partial[Any]) -> asyncio.Future[Any]:
        """Run a statement a moment from now, and answer a moment after."""
        answer = self.answer_later()
        self.world.loop.call_later(self._moment(), self._carry_out, work, answer)
        return answer

    def _carry_out(self, work: partial[Any], answer: asyncio.Future[Any]) -> None:
        if self.is_dead:
            return
        self.claim = next((one for one in work.args if isinstance(one, Claim)), None)
        try:
            if self.outages and self.outages[0] == "refused":
                raise self._outage()
            result = work()
        except Exception as error:
            self.world.loop.call_later(self._moment(), _fail, answer, error)
        except Killed:
            return
        else:
            self.world.loop.call_later(self._moment(), _tell, answer, result)
        finally:
            self.claim = None

    def fail_at(self, point: str) -> None:
        """Fail the transaction in hand, when it is to fail there."""
        where = {"commit.before": "rolled_back", "commit.after": "unanswered"}.get(point)
        if self.outages and self.outages[0] in {where, "refused" if where else ""}:
            raise self._outage()

    def _outage(self) -> StoreUnavailable:
        self.world.count(f"SQL {self.outages.popleft()}")
        return StoreUnavailable("The database is away")

    def _moment(self) -> float:
        return self.world.rng.uniform(0.0, SQL_S)


def _tell(answer: asyncio.Future[Any], result: object) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
