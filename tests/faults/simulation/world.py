"""A world: provider, broker, workers and the clock on one simulated loop; and what may befall it.

Everything is drawn from one seed. What is done to a world from outside are the methods of this
class; between two of them `wait` lets time go by.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

from tests.faults.simulation import logs
from tests.faults.simulation.broker import Broker
from tests.faults.simulation.clock import RUNNING
from tests.faults.simulation.ground import Ground
from tests.faults.simulation.network import Fault, Network, writes_of
from tests.faults.simulation.people import meddled
from tests.faults.simulation.process import Killed, Process
from tests.faults.simulation.provider import Line
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.watch import Watch, seconds_of
from worker import points
from worker.errors import Held
from worker.model import ENDED, CampaignState, Patch
from worker.simulator.calls import Call
from worker.simulator.faults import Fault as ItemFault
from worker.simulator.values import Key

#: Simulated seconds within which every campaign ends once nothing goes wrong any more: an account
#: that is parked last waits half an hour, a proof a quarter.
ENOUGH_S = 3 * 3600.0
#: What may befall a process at an effect: it dies, it freezes for longer than its lease, or the
#: transaction (this one or its next) fails at its commit, or has its answer lost.
PLANS = ("death", "sleep", "rolled_back", "unanswered")
#: of everything that people do
WHO = {"actor": "test", "reason": "test"}
SLEEP_S = 26.0  # the lease and a little: another process is in the middle of the work then
#: Seconds after which a process that has asked for new tokens has surely stored them.
REFRESH_S = 65.0


class World(Ground):
    """Everything there is. The clock (`ticker`) ticks when told to."""

    def __init__(
        self,
        stage: Stage,
        *,
        seed: int,
        workers: int = 2,
        behaviour: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> None:
        super().__init__(stage, seed=seed, behaviour=behaviour or {}, changed=changed)
        self.loop.set_exception_handler(self._unhandled)
        self.watch = Watch(self)
        self.network = Network(self)
        self.broker = Broker(self)
        #: when campaigns were stopped: cancelled for good, or paused until they are resumed
        self.cancelled: dict[str, float] = {}
        self.paused: dict[str, float] = {}
        #: since when everything is
        self.frozen_at: float | None = None
        #: how often what has gone wrong
        self.faults: Counter[str] = Counter()
        #: lines on which a process died, froze, or was left without SQL
        self.troubled: set[Line] = set()
        self.effects = 0
        #: what befalls the process that has the effect of this number; see `PLANS`
        self.plans: dict[int, str] = {}
        #: events at whose write every process dies
        self.deadly: set[Key] = set()
        self.may_lose_authorization = False
        self.healed_at = 0.0
        self._births = 0
        self._context = copy_context()
        self._trace = hashlib.sha256()
        self.ticker = self._born("clock")
        self.workers = [self._born("worker") for _ in range(workers)]

    def submit(self, patches: Mapping[int, Patch], **more: Any) -> str:
        """Store a campaign over numbered events; see `Ground`."""
        name = super().submit(patches, **more)
        self.watch.look()
        return name

    # ------------------------------------------------------------ time

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.loop.run_for(seconds)

    def tick(self) -> None:
        """Have the clock do a round."""
        if self.ticker.is_free:
            self.ticker.tick()

    def round(self, seconds: float = 1.0) -> bool:
        """Tick, deliver everything, wait; tells whether there was anything to do."""
        self.tick()
        self.wait(0.05)
        had_messages = bool(self.broker.messages)
        self.broker.deliver_all()
        self.wait(seconds)
        return had_messages or any(worker.tasks for worker in self.workers)

    # ------------------------------------------------------------ what may befall it

    def kill(self, process: Process, why: str = "from outside") -> None:
        """Kill a process; a supervisor starts another at once."""
        if process.is_dead:
            return
        self.count(f"killed {why}")
        self._trouble(process)
        process.kill()
        self._replace(process)

    def freeze(self, process: Process) -> None:
        """Stop a process without its knowing."""
        if process.is_free:
            self.count("frozen")
            self._trouble(process)
            process.freeze()

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on."""
        if process.is_frozen:
            process.disturbed_at = self.loop.time()
            process.thaw()

    def stop(self, process: Process) -> None:
        """Have a process let go and end, as a deployment does."""
        if process.is_free:
            self.count("stopped")
            process.stop()
            self._replace(process)

    def lose_sql(self, process: Process, outages: list[str]) -> None:
        """Have the next transactions of a process fail."""
        self._trouble(process)
        process.outages.extend(outages)

    def meddle(self, number: int, what: str) -> None:
        """Have a person edit one of the events."""
        key = self.keys[number]
        event = self.sim.event(*key)
        if not event.deleted:
            self.count(f"person: {what}")
            self.sim.edit_as_user(*key, **meddled(event, what))

    def cancel(self, campaign_id: str) -> None:
        """Cancel a campaign that has not ended."""
        with suppress(Held):
            if self.store.steering.cancel(campaign_id, **WHO):
                self.count("cancelled")
                self.cancelled[campaign_id] = self.loop.time()
        self.watch.look()

    def pause(self, campaign_id: str) -> None:
        """Pause a campaign that may be paused."""
        with suppress(Held):
            if self.store.steering.pause(campaign_id, **WHO):
                self.count("paused")
                self.paused[campaign_id] = self.loop.time()

    def resume(self, campaign_id: str) -> None:
        """Let a campaign go on that is paused, or held."""
        with suppress(Held):
            if self.store.steering.resume(campaign_id, **WHO):
                self.paused.pop(campaign_id, None)
                self.canaries.pop(campaign_id, None)
        self.watch.look()

    def freeze_all(self) -> None:
        """Pause all campaigns, and let none begin."""
        self.count("all frozen")
        self.frozen_at = self.loop.time() if self.frozen_at is None else self.frozen_at
        for campaign_id in self.store.steering.freeze(**WHO):
            self.paused[campaign_id] = self.loop.time()

    def unfreeze_all(self) -> None:
        """End the freeze."""
        self.frozen_at = None
        for campaign_id in self.store.steering.unfreeze(**WHO) or ():
            self.paused.pop(campaign_id, None)

    def fault(self, what: str, kind: str = "any") -> None:
        """Have the next call of a kind go wrong."""
        self.network.faults.append(Fault(what, kind))

    def is_deadly(self, call: Call) -> bool:
        """Tell whether a call writes to an event at which every process dies."""
        if not self.deadly or call.method == "GET" or call.segments[0] != "v1":
            return False
        return any((where, body["event_uid"]) in self.deadly for where, body in writes_of(call))

    def item_fault(self, fault: ItemFault) -> None:
        """Have one write of a later call go wrong, in a batch or alone."""
        status = getattr(fault.act, "status", "")
        self.count(f"item {type(fault.act).__name__} {status}".strip())
        self.sim.faults.add(fault)

    def worker(self, at: int) -> Process:
        """Return one of the workers, whatever the number."""
        return self.workers[at % len(self.workers)]

    def heal(self) -> None:
        """Let nothing go wrong any more; what is broken stays so."""
        self.network.faults.clear()
        self.sim.faults.clear()
        self.broker.refusals = 0
        self.plans.clear()
        for process in [self.ticker, *self.workers]:
            process.outages.clear()
            self.thaw(process)
        self.unfreeze_all()
        self.healed_at = self.loop.time()

    def drain(self, *, slowest_s: float = 60.0) -> None:
        """Go on until every campaign has ended, or should have; somebody resumes what is held."""
        until, pause_s = self.loop.time() + ENOUGH_S, 1.0
        while not self.has_ended and self.loop.time() < until:
            for campaign_id in self._waiting:
                self.resume(campaign_id)
            # Where nothing happens the clock may as well be slow.
            pause_s = 1.0 if self.round(pause_s) else min(2 * pause_s, slowest_s)
        self.wait(60.0)

    @property
    def has_ended(self) -> bool:
        """Tell whether all campaigns have."""
        rows = self.stage.outside.execute("SELECT state FROM campaigns")
        return all(CampaignState(state) in ENDED for (state,) in rows)

    @property
    def _waiting(self) -> list[str]:
        rows = self.stage.outside.execute("SELECT id FROM campaigns WHERE state = 'paused'")
        return [name for (name,) in rows]

    @property
    def recovery_s(self) -> float:
        """How long after the end of the faults the last campaign ended."""
        rows = self.stage.outside.execute("SELECT max(finished_at) FROM campaigns").fetchone()
        return max(0.0, (seconds_of(rows[0]) or 0.0) - self.healed_at)

    # ------------------------------------------------------------ what happens in it

    def reached(self, point: str) -> None:
        """Count an effect of a process; some of them are its last."""
        process = RUNNING.get()
        if not isinstance(process, Process):
            return
        process.must_live()
        self.effects += 1
        self._trace.update(f"{self.loop.time():.6f} {process.name} {point}\n".encode())
        if point == "commit.after":
            self.watch.committed(process)
        if point == "refresh.before":
            process.refreshed_at = self.loop.time()
        match self.plans.pop(self.effects, None):
            case "death":
                self.kill(process, f"at {point}")
                raise Killed
            case "sleep":
                self.freeze(process)
                self.loop.call_later(SLEEP_S, self.thaw, process, context=self._context)
            case str(outage):
                self.lose_sql(process, [outage])
        process.fail_at(point)

    def count(self, what: str) -> None:
        """Count what has gone wrong."""
        self.faults[what] += 1
        if "401" in what or what.startswith("refresh"):
            self.may_lose_authorization = True

    @property
    def digest(self) -> str:
        """What names the whole course of this world: the same seed, the same digest."""
        return self._trace.hexdigest()

    def _born(self, kind: str) -> Process:
        self._births += 1
        skew_s = self.rng.uniform(-30.0, 30.0)
        return Process(self, f"{kind}-{self._births}", skew_s=skew_s)

    def _replace(self, process: Process) -> None:
        if process is self.ticker:
            self.ticker = self._born("clock")
        elif process in self.workers:
            self.workers[self.workers.index(process)] = self._born("worker")

    def _trouble(self, process: Process) -> None:
        """Note which lines a process holds that is about to get into trouble."""
        process.disturbed_at = self.loop.time()
        if self.loop.time() - process.refreshed_at < REFRESH_S:
            self.may_lose_authorization = True
        held = {chunk.id for chunk in self.watch.chunks.values() if chunk.owner == process.name}
        self.troubled |= {line for line, row in self.watch.edits.items() if row.chunk in held}

    def _unhandled(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            self.watch.note(f"nobody looked at {error!r}: {context['message']}")

    def close(self) -> None:
        """End it: all processes die, and their tasks are unwound."""
        for process in [self.ticker, *self.workers]:
            process.kill()
        self.wait(0.0)
        while left := [task for task in asyncio.all_tasks(self.loop) if not task.done()]:
            for task in left:
                task.cancel()
            self.wait(1.0)
        self.loop.close()


@contextmanager
def a_world(stage: Stage, *, seed: int, **more: Any) -> Iterator[World]:
    """Open a world; while it is open, all points and all logs of this program are its."""
    state = random.getstate()
    random.seed(seed)  # what draws from the module: the limiter's jitter, the client's backoff
    world = World(stage, seed=seed, **more)
    points.listen(world.reached)
    try:
        with logs.kept_from_view(world.watch.note):
            yield world
    finally:
        try:
            world.close()
        finally:
            points.listen(None)
            random.setstate(state)
