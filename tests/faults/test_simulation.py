"""The engine under the simulation: crashes at every effect, storms, and Hypothesis's own worlds.

A storm that fails is run again by the line that it prints; a walk by the numbers in its name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.simulation import machine, walks
from tests.faults.simulation.ground import LONGEST_LAG_S
from tests.faults.simulation.people import PATCHES, after
from tests.faults.simulation.stage import Stage, a_stage
from tests.faults.simulation.storm import storm
from tests.faults.simulation.world import a_world
from worker.model import Run

STORMS = 30
EXAMPLES = 25
WITH_A_CANARY = Run(is_automatic=True, canary=1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The database that all worlds of this module take turns on."""
    with a_stage() as opened:
        yield opened


@pytest.fixture(scope="module")
def singles(stage: Stage) -> walks.Found:
    """A campaign with a death at every effect."""
    return walks.singles(stage)


def test_an_undisturbed_campaign_ends_as_asked(stage: Stage) -> None:
    """The world itself does nothing wrong: without a fault each line is what its event says."""
    walk = walks.walk(stage)
    assert walk.verdict.wrongs == []
    assert [state for state, _ in walk.verdict.outcomes.values()] == [
        "verified", "verified", "skipped", "verified", "verified",
    ]  # fmt: skip


@pytest.mark.row(1, 2, 3)
def test_a_crash_at_any_effect_changes_no_outcome(singles: walks.Found) -> None:
    """Whichever effect a process dies at, before or after it: the outcomes are the same."""
    assert singles.wrongs == []
    assert singles.faults == singles.runs > 80
    print(f"{singles.runs} walks, {singles.faults} deaths")  # noqa: T201


@pytest.mark.parametrize("what", ["sleep", "rolled_back", "unanswered"])
@pytest.mark.row(10, 22)
def test_no_other_fault_at_any_effect_changes_an_outcome(stage: Stage, what: str) -> None:
    """The same where a process sleeps past its lease and wakes up, where a transaction fails at its
    commit, and where the commit's answer is lost.
    """
    found = walks.singles(stage, what, every=4)
    assert found.wrongs == []
    assert found.faults >= found.runs > 20


@pytest.mark.parametrize(
    "terms",
    [walks.Terms(verify="none"), walks.Terms(hasty=True), walks.Terms(run=WITH_A_CANARY)],
    ids=["unproven", "hasty", "planned"],
)
def test_a_crash_changes_no_outcome_whatever_the_terms(stage: Stage, terms: walks.Terms) -> None:
    """Unproven campaigns read in doubt as well; a rescue that comes too early waits; what is
    planned is sent once, and no other edit before the canary.
    """
    found = walks.singles(stage, every=5, terms=terms)
    assert found.wrongs == []
    assert found.faults == found.runs > 10


def test_a_second_crash_on_the_way_back_changes_no_outcome(
    stage: Stage, singles: walks.Found
) -> None:
    """Two deaths, the second anywhere after the first one's: recovery can be interrupted."""
    found = walks.pairs(stage, singles, every=500)
    assert found.wrongs == []
    assert found.runs > 10


@pytest.mark.parametrize("seed", range(STORMS))
@pytest.mark.row(2, 9, 17, 20, 21, 22, 23, 24)
def test_no_storm_breaks_a_promise(stage: Stage, seed: int) -> None:
    """Deaths, zombies, outages, lies and people, all at once: nothing lost, nothing twice."""
    verdict = storm(stage, seed)
    again = f"python -m tests.faults.simulation --runs 1 --seed {seed}"
    assert verdict.wrongs == [], again


@pytest.mark.row(2, 21, 22)
def test_whatever_hypothesis_does_the_promises_hold(stage: Stage) -> None:
    """The same world in the hands of somebody who looks for trouble."""
    machine.run(stage, examples=EXAMPLES)


def test_the_next_campaign_keeps_what_one_without_proof_has_written(stage: Stage) -> None:
    """A move that was accepted a second ago does not show yet; who changes the title then, sends
    the old times along with it.
    """
    lag = {"lag_s": LONGEST_LAG_S, "lag_max_s": LONGEST_LAG_S}
    with a_world(stage, seed=1, behaviour=lag) as world:
        world.add_account(1)
        number = world.add_event()
        first = world.submit({number: PATCHES["hour"]}, verify="none")
        while not world.has_ended:
            world.round(0.1)
        world.submit({number: PATCHES["name"]})
        world.drain()
        wish = after(world.sim.initial[world.keys[number]], world.asked[first, 2])
        shown = world.sim.event(*world.keys[number])
        assert wish is not None
        assert (shown.start, shown.end) == (wish.start, wish.end)


def test_the_same_seed_lives_the_same_life(stage: Stage) -> None:
    """A seed names one course of things in this process and in any other, or it could not be run
    again.
    """
    program = (
        "from tests.faults.simulation.stage import a_stage\n"
        "from tests.faults.simulation.storm import storm\n"
        "with a_stage() as stage: print(storm(stage, 5).digest, end='')"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert storm(stage, 5).digest == storm(stage, 5).digest == there.stdout
