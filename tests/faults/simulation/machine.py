"""The simulation as a Hypothesis state machine.

What may befall the world is the same as in a storm; here Hypothesis chooses, rule by rule. A
failure is printed as a program, with a line to run the very same one again. To have it shrunk to
the least that still fails takes minutes: with `CALPATCH_TEST_SHRINK=1`, and a longer `--timeout`.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.simulation.ground import LONGEST_LAG_S
from tests.faults.simulation.judge import judge
from tests.faults.simulation.network import FAULTS
from tests.faults.simulation.people import EDITABLE, KINDS, MEDDLING, PATCHES
from tests.faults.simulation.process import OUTAGES
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.storm import ITEM_FAULTS, MOST_CAMPAIGNS
from tests.faults.simulation.world import PLANS, a_world
from worker.simulator import Fault
from worker.simulator.faults import Match

SHRINKS = "CALPATCH_TEST_SHRINK"

few = st.integers(0, 7)
kinds = st.one_of(st.sampled_from(sorted(EDITABLE)), st.sampled_from(sorted(KINDS)))
patches = st.sampled_from(sorted(PATCHES))
behaviours = st.fixed_dictionaries(
    {
        "rotate_refresh_tokens": st.booleans(),
        "updated_moves": st.booleans(),
        "dropped": st.sampled_from([0.0, 0.1]),
        "token_life_s": st.sampled_from([3600, 300]),
        "lag_max_s": st.sampled_from([0.5, LONGEST_LAG_S]),
    }
)


class Simulation(RuleBasedStateMachine):
    """One world for each example; its stage is set by whoever runs this."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()

    @initialize(
        seed=st.integers(0, 2**16),
        workers=st.integers(1, 3),
        lease=st.sampled_from([30.0, 3.0]),
        behaviour=behaviours,
        events=st.lists(st.tuples(kinds, st.integers(1, 2)), min_size=1, max_size=8),
    )
    def begin(
        self,
        seed: int,
        workers: int,
        lease: float,
        behaviour: dict[str, object],
        events: list[tuple[str, int]],
    ) -> None:
        world = a_world(self.stage, seed=seed, workers=workers, behaviour=behaviour, lease=lease)
        self.world = self._open.enter_context(world)
        self.world.add_account(1)
        self.world.add_account(2)
        for kind, account in events:
            self.world.add_event(kind, account=account)

    # ------------------------------------------------------------ campaigns

    @precondition(lambda self: len(self.world.campaigns) < MOST_CAMPAIGNS)
    @rule(
        asked=st.dictionaries(few, patches, min_size=1),
        chunk_size=st.sampled_from([1, 3, 8]),
        verify=st.sampled_from(["all", "none"]),
        hinted=st.booleans(),
    )
    def submit(self, asked: dict[int, str], chunk_size: int, verify: str, hinted: bool) -> None:
        wanted = {
            number % len(self.world.keys): PATCHES[name] for number, name in sorted(asked.items())
        }
        self.world.submit(wanted, chunk_size=chunk_size, verify=verify, hinted=hinted)

    @precondition(lambda self: self.world.campaigns)
    @rule(at=few)
    def cancel(self, at: int) -> None:
        self.world.cancel(self.world.campaigns[at % len(self.world.campaigns)])

    @rule(number=few, what=st.sampled_from(MEDDLING))
    def meddle(self, number: int, what: str) -> None:
        self.world.meddle(number % len(self.world.keys), what)

    # ------------------------------------------------------------ time and messages

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def round(self, seconds: float) -> None:
        self.world.round(seconds)

    @rule(seconds=st.sampled_from([0.1, 1.0, 31.0, 600.0, 7200.0]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule()
    def tick(self) -> None:
        self.world.tick()
        self.world.wait(0.05)

    @precondition(lambda self: self.world.broker.messages)
    @rule(at=few)
    def deliver(self, at: int) -> None:
        self.world.broker.deliver(at)

    @precondition(lambda self: self.world.broker.messages)
    @rule(at=few)
    def repeat(self, at: int) -> None:
        self.world.broker.repeat(at)

    @precondition(lambda self: self.world.broker.messages)
    @rule(at=few)
    def lose(self, at: int) -> None:
        self.world.broker.lose(at)

    @precondition(lambda self: self.world.broker.messages)
    @rule()
    def flush(self) -> None:
        self.world.broker.flush()

    @rule(count=st.integers(1, 3))
    def refuse_messages(self, count: int) -> None:
        self.world.broker.refusals = count

    # ------------------------------------------------------------ processes

    @rule(effects=st.integers(1, 40), what=st.sampled_from(PLANS))
    def plan(self, effects: int, what: str) -> None:
        self.world.plans[self.world.effects + effects] = what

    @rule(worker=few)
    def kill(self, worker: int) -> None:
        self.world.kill(self.world.worker(worker))

    @rule(worker=few)
    def freeze(self, worker: int) -> None:
        self.world.freeze(self.world.worker(worker))

    @rule(worker=few)
    def thaw(self, worker: int) -> None:
        self.world.thaw(self.world.worker(worker))

    @rule(worker=few)
    def stop(self, worker: int) -> None:
        self.world.stop(self.world.worker(worker))

    @rule(worker=few, outages=st.lists(st.sampled_from(OUTAGES), min_size=1, max_size=6))
    def lose_sql(self, worker: int, outages: list[str]) -> None:
        self.world.lose_sql(self.world.worker(worker), outages)

    # ------------------------------------------------------------ the API

    @rule(
        what=st.sampled_from(FAULTS),
        kind=st.sampled_from(["read", "post", "refresh"]),
        times=st.integers(1, 4),
    )
    def fault(self, what: str, kind: str, times: int) -> None:
        for _ in range(times):
            self.world.fault(what, kind)

    @rule(act=st.sampled_from(range(len(ITEM_FAULTS))), after=st.integers(0, 2))
    def item_fault(self, act: int, after: int) -> None:
        fault = Fault(act=ITEM_FAULTS[act], match=Match(route="write", after=after))
        self.world.item_fault(fault)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_violated(self) -> None:
        assert not self.world.watch.violations, "\n".join(self.world.watch.violations)

    def teardown(self) -> None:
        """Heal, drain, judge."""
        with self._open:
            if hasattr(self, "world"):
                self.world.heal()
                self.world.drain()
                verdict = judge(self.world)
                assert verdict.is_right, "\n".join(verdict.wrongs)


def run(stage: Stage, *, examples: int) -> None:
    """Have Hypothesis live so many lives; raises what the first bad one ended with."""
    Simulation.stage = stage
    phases = [Phase.explicit, Phase.generate]
    if os.environ.get(SHRINKS):
        phases.append(Phase.shrink)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Simulation, settings=chosen)  # type: ignore[no-untyped-call]
