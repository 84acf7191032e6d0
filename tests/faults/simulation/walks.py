"""One small campaign, and a fault at every effect of it; then a second one at every later effect.

Whatever effect a process dies at, before or after it, or falls asleep, or loses its transaction:
the campaign ends with the outcomes of the undisturbed run. Nothing here is left to chance.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from tests.faults.simulation.ground import LONGEST_LAG_S
from tests.faults.simulation.judge import Verdict, judge
from tests.faults.simulation.people import PATCHES
from tests.faults.simulation.provider import Line
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.world import World, a_world
from worker.model import Run

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

#: What befalls whom: the number of an effect, and one of `world.PLANS`.
Plans = dict[int, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which circumstances the campaign runs."""

    verify: str = "all"
    #: chunks are taken up again so soon that what was sent does not show yet
    hasty: bool = False
    #: how it is carried out once it is planned; None has it sent at once
    run: Run | None = None


@dataclass(slots=True)
class Walk:
    """One run: its plans, what came of it, and how many effects it had."""

    plans: Plans
    verdict: Verdict
    effects: int


@dataclass(slots=True)
class Found:
    """What many walks came to."""

    runs: int = 0
    faults: int = 0
    wrongs: list[str] = field(default_factory=list)
    #: how many effects the run had whose first fault was at this one
    effects: dict[int, int] = field(default_factory=dict)

    def add(self, walk: Walk, expected: Verdict) -> None:
        """Add one; it must have come to what was expected."""
        self.runs += 1
        self.faults += sum(walk.verdict.faults.values())
        self.effects[min(walk.plans, default=0)] = walk.effects
        wrongs = list(walk.verdict.wrongs)
        if not _is_as_good(walk.verdict.outcomes, expected.outcomes):
            wrongs.append(f"other outcomes: {walk.verdict.outcomes}")
        self.wrongs += [f"walk(stage, {walk.plans}): {wrong}" for wrong in wrongs]


def walk(stage: Stage, plans: Plans | None = None, terms: Terms = Terms()) -> Walk:
    """Run the campaign; a plan's faults come at their effects."""
    behaviour: dict[str, object] = {"token_life_s": TOKEN_LIFE_S}
    changed = {}
    if terms.hasty:
        behaviour |= {"lag_s": LONGEST_LAG_S, "lag_max_s": LONGEST_LAG_S}
        changed = {"lease": 3.0}
    with a_world(stage, seed=SEED, behaviour=behaviour, **changed) as world:
        _begin(world, terms)
        world.plans.update(plans or {})
        world.drain(slowest_s=1.0 if terms.hasty else 60.0)
        return Walk(plans or {}, judge(world), world.effects)


def _begin(world: World, terms: Terms) -> None:
    world.add_account(1)
    numbers = [world.add_event(kind) for kind, _ in LINES]
    patches = {number: PATCHES[LINES[number][1]] for number in numbers}
    world.submit(patches, chunk_size=3, verify=terms.verify, run=terms.run)


def singles(stage: Stage, what: str = "death", *, every: int = 1, terms: Terms = Terms()) -> Found:
    """Walk with a fault at each effect (or each so many)."""
    plain = walk(stage, terms=terms)
    found = Found()
    for at in range(1, plain.effects + 1, every):
        found.add(walk(stage, {at: what}, terms), plain.verdict)
    return found


def first_wrong(stage: Stage, what: str, terms: Terms, *, at: int = 1) -> str:
    """Walk undisturbed, then with a fault at each effect, from `at` on and round; returns what is
    wrong first, or nothing.
    """
    plain = walk(stage, terms=terms)
    found = Found(wrongs=list(plain.verdict.wrongs))
    effects = deque(range(1, plain.effects + 1))
    effects.rotate(1 - at)
    while effects and not found.wrongs:
        found.add(walk(stage, {effects.popleft(): what}, terms), plain.verdict)
    return found.wrongs[0] if found.wrongs else ""


def pairs(stage: Stage, firsts: Found, *, every: int = 1) -> Found:
    """Walk with two deaths: after each of the first ones, at each later effect (or so many)."""
    plain = walk(stage)
    found = Found()
    both = (
        (first, second)
        for first, effects in firsts.effects.items()
        for second in range(first + 1, effects + 1)
    )
    for first, second in islice(both, every // 2, None, every):
        found.add(walk(stage, {first: "death", second: "death"}), plain.verdict)
    return found


def _is_as_good(
    outcomes: dict[Line, tuple[str, str]], expected: dict[Line, tuple[str, str]]
) -> bool:
    """Tell whether all lines ended alike; where no proof was asked, one is welcome."""
    both = [(outcomes.get(line), expected[line]) for line in expected]
    return all(now == then or (then, now) == (UNPROVEN, PROVEN) for now, then in both)
