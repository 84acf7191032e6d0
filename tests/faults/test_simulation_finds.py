"""The simulation can fail: bugs on purpose, each of which it must find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.simulation import machine
from tests.faults.simulation.mutants import MUTANTS, hunt
from tests.faults.simulation.stage import Stage, a_stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The database that all worlds of this module take turns on."""
    with a_stage() as opened:
        yield opened


@pytest.mark.parametrize("bug", MUTANTS)
def test_the_simulation_finds_a_worker_that(stage: Stage, bug: str) -> None:
    """A net with holes would let any code pass: each known mistake has to be caught."""
    found = hunt(stage, bug)
    assert found, f"nothing tells of a worker that {bug.replace('_', ' ')}"
    print(found)  # noqa: T201


def test_hypothesis_finds_one_of_them_as_well(stage: Stage) -> None:
    """The state machine reaches what it is there to reach, and says how to run it again."""
    bug, _ = MUTANTS["touches_what_is_locked"]
    with pytest.MonkeyPatch.context() as patched:
        bug(patched)
        with pytest.raises(AssertionError) as found:
            machine.run(stage, examples=60)
    assert "must not be touched" in str(found.value)
    assert any("reproduce_failure" in note for note in found.value.__notes__)
