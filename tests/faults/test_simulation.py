"""The engine under the simulation: crashes at every effect, storms, and Hypothesis's own worlds.

A storm that fails is run again by the line that it prints; a walk by the numbers in its name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.simulation import walks
from tests.faults.simulation.machine import Simulation
from tests.faults.simulation.stage import Stage, a_stage
from tests.faults.simulation.storm import storm

STORMS = 60
EXAMPLES = 40


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


def test_a_crash_at_any_effect_changes_no_outcome(singles: walks.Found) -> None:
    """Whichever effect a process dies at, before or after it: the outcomes are the same."""
    assert singles.wrongs == []
    assert singles.deaths == singles.runs > 100
    print(f"{singles.runs} walks, {singles.deaths} deaths")  # noqa: T201


def test_a_crash_at_any_effect_of_an_unproven_campaign_loses_nothing(stage: Stage) -> None:
    """The same where no proof is asked for: in doubt it is read all the same."""
    found = walks.singles(stage, every=2, verify="none")
    assert found.wrongs == []
    assert found.deaths == found.runs > 30


def test_a_second_crash_on_the_way_back_changes_no_outcome(
    stage: Stage, singles: walks.Found
) -> None:
    """Two deaths, the second anywhere after the first one's: recovery can be interrupted."""
    found = walks.pairs(stage, singles, every=180)
    assert found.wrongs == []
    assert found.deaths == 2 * found.runs > 200
    print(f"{found.runs} walks, {found.deaths} deaths")  # noqa: T201


@pytest.mark.parametrize("seed", range(STORMS))
def test_no_storm_breaks_a_promise(stage: Stage, seed: int) -> None:
    """Deaths, zombies, outages, lies and people, all at once: nothing lost, nothing twice."""
    verdict = storm(stage, seed)
    again = f"python -m tests.faults.simulation --runs 1 --seed {seed}"
    assert verdict.wrongs == [], again


def test_whatever_hypothesis_does_the_promises_hold(stage: Stage) -> None:
    """The same world in the hands of somebody who shrinks what fails."""
    Simulation.stage = stage
    run_state_machine_as_test(
        Simulation,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


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
