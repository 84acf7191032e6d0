"""One small campaign, and a crash at every effect of it; then a second crash at every later one.

Whatever effect a process dies at, before or after it, the campaign ends with the outcomes of the
undisturbed run: nothing here is left to chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.faults.simulation.judge import Verdict, judge
from tests.faults.simulation.people import PATCHES
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.world import World, a_world

SEED = 7
#: The events' kinds, and what is asked of each.
LINES = (
    ("plain", "hour"),
    ("paris", "both"),
    ("recurring", "hour"),
    ("all_day", "day"),
    ("placed", "words"),
)
#: Of an access token so short that it is refreshed first.
TOKEN_LIFE_S = 50


@dataclass(slots=True)
class Walk:
    """One run: at which effects a process died, what came of it, and how many effects it had."""

    bombs: tuple[int, ...]
    verdict: Verdict
    effects: int


@dataclass(slots=True)
class Found:
    """What many walks came to."""

    runs: int = 0
    crashes: int = 0
    wrongs: list[str] = field(default_factory=list)

    def add(self, walk: Walk, expected: Verdict) -> None:
        """Add one; it must have come to what was expected."""
        self.runs += 1
        self.crashes += sum(walk.verdict.faults.values())
        wrongs = list(walk.verdict.wrongs)
        if walk.verdict.outcomes != expected.outcomes:
            wrongs.append(f"other outcomes: {walk.verdict.outcomes}")
        self.wrongs += [f"walk{walk.bombs}: {wrong}" for wrong in wrongs]


def walk(stage: Stage, *bombs: int, verify: str = "all") -> Walk:
    """Run the campaign, with a death at each of these effects."""
    behaviour = {"token_life_s": TOKEN_LIFE_S}
    with a_world(stage, seed=SEED, workers=2, behaviour=behaviour) as world:
        _begin(world, verify)
        world.bombs.update(bombs)
        world.drain()
        return Walk(bombs, judge(world), world.effects)


def _begin(world: World, verify: str) -> None:
    world.add_account(1)
    numbers = [world.add_event(kind) for kind, _ in LINES]
    patches = {number: PATCHES[LINES[number][1]] for number in numbers}
    world.submit(patches, chunk_size=3, verify=verify)


def singles(stage: Stage, *, every: int = 1, verify: str = "all") -> Found:
    """Walk with a death at each effect (or each so many)."""
    plain = walk(stage, verify=verify)
    at = range(1, plain.effects + 1, every)
    return _walked(stage, plain, ((one,) for one in at), verify=verify)


def pairs(stage: Stage, *, every: int = 1) -> Found:
    """Walk with two deaths, the second at any effect after the first one's."""
    plain = walk(stage)
    return _walked(stage, plain, _pairs(stage, plain.effects, every=every))


def _pairs(stage: Stage, effects: int, *, every: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of effects; a run that has been disturbed has other effects than a plain one."""
    number = 0
    for first in range(1, effects + 1):
        for second in range(first + 1, walk(stage, first).effects + 1):
            number += 1
            if number % every == 0:
                yield first, second


def _walked(
    stage: Stage, plain: Walk, bombs: Iterable[tuple[int, ...]], *, verify: str = "all"
) -> Found:
    found = Found()
    found.add(plain, plain.verdict)
    for each in bombs:
        found.add(walk(stage, *each, verify=verify), plain.verdict)
    return found
