"""Every crash point, at its first, middle and last time: killed there, another life ends the work.

With each push every point is taken once, in turn on SQLite and on PostgreSQL; by night on both.

What comes out must be what comes out when nothing happens, with not one write more: after a crash
calpatch reads first, so that no guest is mailed twice (laws 3 and 5; fault rows 1 to 3, 19).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import bindparam, text

from tests.faults.lives import End, Lives, Order, lives, plain
from tests.world import HOUR, World, a_world
from worker.embedded import ValkeyServer
from worker.model import Patch, Policy, Run
from worker.simulator import Behaviour
from worker.store.tables import UtcTime

#: databases that share the points of a walk
SHARING = 1 if os.environ.get("CALPATCH_TEST_STRIDE") == "1" else 2
#: crashes of one walk: the numbers of commits differ a little from run to run
LEAST = 30 // SHARING
LEAST_AMID_MESSAGES = 6
EACH = slice(None)
#: a provider that shows writes soon
QUICK = Behaviour(rate=(), lag_s=0.02)
#: who has to read after a crash proves what nobody asked to be proven
PROVEN = ("verified", "verified")
SETTINGS = {"lease": 10.0, "settle": 0.3, "verify_delay": 0.02, "verify_within": 8.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What each life has to do."""

    patches: Mapping[int, Patch]
    settings: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    #: how it is carried out once it is planned; None has it sent at once
    run: Run | None = None
    #: the access token has run out
    is_stale: bool = False
    chunk_size: int = 200
    #: the edits whose event may not be touched
    untouched: tuple[int, ...] = ()


SCENARIOS = {
    # Four batches in lanes, something of everything, and a proof.
    "batches": Scenario(
        patches={number: Patch(move=HOUR) for number in range(6)}
        | {6: Patch(summary="Another title"), 7: Patch(move=HOUR), 8: Patch(summary="Meeting 8")},
        settings={"batch_size": 2},
        untouched=(7, 8),
    ),
    # One by one, with a refresh first, and without a proof.
    "singles": Scenario(
        patches={number: Patch(move=HOUR) for number in range(3)},
        settings={"batch_size": 1},
        policy=Policy(verify="none"),
        is_stale=True,
    ),
    # Planned first; begins by itself, with one that goes first and must be proven.
    "planned": Scenario(
        patches={number: Patch(move=HOUR) for number in range(3)} | {7: Patch(move=HOUR)},
        settings={"batch_size": 2},
        run=Run(is_automatic=True, canary=1),
        chunk_size=2,
        untouched=(7,),
    ),
}


def positions(reached: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield where to kill: each commit, and each call the first, middle and last time."""
    for name, times in sorted(reached.items()):
        if name.startswith("commit"):
            yield from ((name, at) for at in range(1, times + 1))
        else:
            yield from ((name, at) for at in sorted({1, (times + 1) // 2, times}))


class Stage:
    """One world in which the same scenario is played again and again, by new people each time."""

    def __init__(
        self, world: World, scenario: Scenario, forks: Lives, *, celery: bool = False
    ) -> None:
        self._world = world
        self._scenario = scenario
        self._forks = forks
        self._celery = celery
        self._runs = 0

    async def play(self, point: str = "", at: int = 0) -> tuple[End, list[tuple[str, str]]]:
        """Play the scenario, killed at a point; returns the first life's end and the outcomes."""
        self._runs += 1
        sub = f"acc_{self._runs}"
        campaign = self._prepared(sub)
        order = Order(
            settings=plain(self._world.engine.settings),
            campaign=campaign,
            owner=f"{sub}:1",
            point=point,
            at=at,
            celery=self._celery,
        )
        end = await self._forks.live(order)
        if point:
            self._let_time_pass()
            again = structs.replace(order, owner=f"{sub}:2", point="")
            assert (await self._forks.live(again)).code == 0, f"{point} {at}: nobody ended it"
        self._check_writes(f"{point} {at}")
        outcomes = self._world.outcomes(campaign)
        return end, [outcomes[line] for line in sorted(outcomes)]

    def _let_time_pass(self) -> None:
        """Have what the dead held run out now, instead of waiting for it."""
        with self._world.store.database.begin() as connection:
            for sql in (
                "UPDATE chunks SET lease_until = :past WHERE lease_until IS NOT NULL",
                "UPDATE accounts SET refresh_until = :past WHERE refresh_until IS NOT NULL",
            ):
                past = bindparam("past", datetime(2000, 1, 1, tzinfo=UTC), type_=UtcTime())
                connection.execute(text(sql).bindparams(past))

    def _number(self, number: int) -> int:
        return self._runs * 100 + number

    def _prepared(self, sub: str) -> str:
        world, calendar = self._world, f"cal_{sub}"
        world.add_account(sub, calendars=[calendar])
        for number, patch in self._scenario.patches.items():
            own = self._number(number)
            title = patch.summary if number == 8 and patch.summary else f"Meeting {own}"
            world.add_event(own, calendar_id=calendar, summary=title, recurring=number == 7)
        if self._scenario.is_stale:
            world.sim.access_tokens[f"access-{sub}"] = (sub, 0.0)
        patches = {self._number(number): one for number, one in self._scenario.patches.items()}
        return world.submit(
            patches,
            key=sub,
            account=sub,
            calendar_id=calendar,
            policy=self._scenario.policy,
            chunk_size=self._scenario.chunk_size,
            run=self._scenario.run,
        )

    def _check_writes(self, where: str) -> None:
        for number in self._scenario.patches:
            expected = 0 if number in self._scenario.untouched else 1
            found = self._world.writes_to(self._number(number), calendar_id=f"cal_acc_{self._runs}")
            assert found == expected, f"{where}: event {number} was written {found} times"


async def walk(stage: Stage, *, points: slice = EACH, kinds: tuple[str, ...] = ("",)) -> int:
    """Play the scenario, killed at each point in turn; returns how many processes died."""
    calm, expected = await stage.play()
    assert calm.code == 0
    died = 0
    places = [place for place in positions(calm.reached) if place[0].startswith(kinds)]
    for point, at in places[points]:
        end, outcomes = await stage.play(point, at)
        if not end.was_killed:
            continue  # lanes that write together commit once less
        died += 1
        same = zip(outcomes, expected, strict=True)
        assert all(one in (other, PROVEN) for one, other in same), f"{point} {at}: {outcomes}"
    return died


def told(died: int) -> None:
    """Say how many runs that were, for whoever looks with `-s`."""
    print(f"{died} crash-point runs")  # noqa: T201


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.row(1, 2, 3)
async def test_a_crash_anywhere_changes_nothing(
    database_url: str, tmp_path: Path, name: str
) -> None:
    """Law 3 and 5 at every point: the same outcomes, each event written once."""
    scenario = SCENARIOS[name]
    settings = SETTINGS | dict(scenario.settings)
    async with (
        a_world(database_url, behaviour=QUICK, **settings) as world,
        lives(tmp_path) as forks,
    ):
        first = int(SHARING > 1 and database_url.startswith("sqlite"))
        points = slice(first, None, SHARING)
        told(died := await walk(Stage(world, scenario, forks), points=points))
        assert died >= LEAST


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("delivery", ["early", pytest.param("late", marks=pytest.mark.nightly)])
@pytest.mark.row(1, 21)
async def test_a_crash_amid_messages_changes_nothing(
    database_url: str, tmp_path: Path, valkey: ValkeyServer, delivery: str
) -> None:
    """Around each message and its acknowledgement: SQL knows what is to be done (law 1)."""
    scenario = replace(SCENARIOS["batches"], chunk_size=3)
    settings = SETTINGS | dict(scenario.settings)
    settings |= {"redis_url": valkey.url, "delivery": delivery, "resend_after": 1.0}
    async with (
        a_world(database_url, behaviour=QUICK, **settings) as world,
        lives(tmp_path) as forks,
    ):
        stage = Stage(world, scenario, forks, celery=True)
        told(died := await walk(stage, kinds=("publish", "ack")))
        assert died >= LEAST_AMID_MESSAGES
