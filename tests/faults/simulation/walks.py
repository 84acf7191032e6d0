"""One small campaign, and a crash at every effect of it; then a second crash at every later one.

Whatever effect a process dies at, before or after it, the campaign ends with the outcomes of the
undisturbed run: nothing here is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.simulation.judge import Verdict, judge
from tests.faults.simulation.people import PATCHES
from tests.faults.simulation.provider import Line
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
UNPROVEN, PROVEN = ("unverified", "no_proof_asked"), ("verified", "verified")


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
    deaths: int = 0
    wrongs: list[str] = field(default_factory=list)
    #: how many effects the run had in which a process died at this one
    effects: dict[int, int] = field(default_factory=dict)

    def add(self, walk: Walk, expected: Verdict) -> None:
        """Add one; it must have come to what was expected."""
        self.runs += 1
        self.deaths += sum(walk.verdict.faults.values())
        if len(walk.bombs) == 1:
            self.effects[walk.bombs[0]] = walk.effects
        wrongs = list(walk.verdict.wrongs)
        if not _is_as_good(walk.verdict.outcomes, expected.outcomes):
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
    found = Found()
    for bomb in range(1, plain.effects + 1, every):
        found.add(walk(stage, bomb, verify=verify), plain.verdict)
    return found


def pairs(stage: Stage, firsts: Found, *, every: int = 1) -> Found:
    """Walk with two deaths: after each of the first ones, at each later effect (or so many)."""
    plain = walk(stage)
    found = Found()
    for number, (first, effects) in enumerate(firsts.effects.items()):
        for second in range(first + 1 + number % every, effects + 1, every):
            found.add(walk(stage, first, second), plain.verdict)
    return found


def _is_as_good(
    outcomes: dict[Line, tuple[str, str]], expected: dict[Line, tuple[str, str]]
) -> bool:
    """Tell whether all lines ended alike; where no proof was asked, one is welcome."""
    both = [(outcomes.get(line), expected[line]) for line in expected]
    return all(now == then or (then, now) == (UNPROVEN, PROVEN) for now, then in both)
