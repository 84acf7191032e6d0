"""The engine against whatever may happen: small worlds, bad answers, people in between.

Hypothesis writes the script; the world is real HTTP and SQL. What must hold at the end is the same
for every script.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.world import CALENDAR, World, a_world, event_uid, soon
from worker.model import ENDED, FINAL, CampaignState, EditState, Patch, Reschedule, Shift
from worker.simulator import Behaviour, Fault
from worker.simulator.acts import (
    Act,
    Drop,
    Garbage,
    Late,
    Lengthen,
    Reply,
    Reset,
    Shorten,
    Truncate,
    UserEdit,
)
from worker.simulator.faults import Match
from worker.store import Note, Outcome

MAX_ATTEMPTS = 5
HOUR = timedelta(hours=1)
#: outcomes that say that nothing was written
UNTOUCHED = frozenset(
    {EditState.SKIPPED, EditState.UNCHANGED, EditState.FAILED, EditState.NOT_ATTEMPTED}
)

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "paris": {"start_tzid": "Europe/Paris", "end_tzid": "Europe/Paris"},
    "recurring": {"recurring": True, "series_identifier": "series"},
    "locked": {"can_update": False},
    "managed": {"event_id": "own-key"},
    "deleted": {"deleted": True},
    "past": {"start": soon(0) - timedelta(days=9)},
}
PATCHES = [
    Patch(move=Shift(seconds=3600)),
    Patch(move=Shift(days=1)),
    Patch(move=Reschedule(start=soon(3).isoformat())),
    Patch(summary="Renamed"),
    Patch(description="Told anew", move=Shift(seconds=3600)),
    Patch(transparency="transparent"),
]
READS: list[Act] = [Reply(status=500), Reply(status=429, retry_after=1), Garbage(), Reset()]
BATCHES: list[Act] = [
    Reply(status=500),
    Reply(status=503, taken=True),
    Reply(status=401),
    Reply(status=404),
    Reply(status=422, body="{}"),
    Reply(status=429, retry_after=1),
    Reset(),
    Reset(taken=True),
    Garbage(),
    Truncate(),
    Shorten(items=1),
    Lengthen(items=1),
]
WRITES: list[Act] = [
    Reply(status=500),
    Reply(status=503, taken=True),
    Reply(status=401),
    Reply(status=403),
    Reply(status=404),
    Reply(status=422),
    Drop(),
    Late(seconds=0.3),
    UserEdit(fields={"description": "A person's own words"}),
    UserEdit(delete=True),
]
MEDDLING = ["describe", "place", "move", "delete"]

events = st.sampled_from([*["plain"] * 5, *KINDS])
faults = st.one_of(
    st.builds(lambda act, n: (act, "events", n), st.sampled_from(READS), st.integers(0, 3)),
    st.builds(lambda act, n: (act, "batch", n), st.sampled_from(BATCHES), st.integers(0, 2)),
    st.builds(lambda act, n: (act, "write", n), st.sampled_from(WRITES), st.integers(0, 6)),
)
scripts = st.fixed_dictionaries(
    {
        "kinds": st.lists(events, min_size=1, max_size=5),
        "patches": st.lists(st.sampled_from(PATCHES), min_size=5, max_size=5),
        "faults": st.lists(st.tuples(faults, st.integers(1, 3)), max_size=5),
        "people": st.lists(
            st.tuples(st.integers(1, 4), st.integers(0, 4), st.sampled_from(MEDDLING)), max_size=3
        ),
        "stops": st.lists(st.tuples(st.integers(1, 4), st.floats(0.0, 0.04)), max_size=3),
        "deaths": st.lists(st.tuples(st.integers(1, 4), st.floats(0.0, 0.04)), max_size=2),
        "cancel_at": st.one_of(st.none(), st.none(), st.integers(1, 4)),
        "chunk_size": st.sampled_from([2, 200]),
        "dropped": st.sampled_from([0.0, 0.0, 0.3]),
        "updated_moves": st.booleans(),
    }
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(script=scripts)
def test_whatever_happens_the_promises_hold(script: dict[str, Any]) -> None:
    """Law by law, for any script: each line ends once, and says what the calendar shows."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(script, f"sqlite:///{Path(folder) / 'calpatch.db'}"))


async def play(script: dict[str, Any], url: str) -> None:
    """Build the world of a script, run it to its end, and check it."""
    behaviour = Behaviour(
        rate=(), lag_s=0.03, dropped=script["dropped"], updated_moves=script["updated_moves"]
    )
    async with a_world(
        url, behaviour=behaviour, settle=0.15, verify_within=1.0, verify_delay=0.05
    ) as world:
        world.add_account()
        for number, kind in enumerate(script["kinds"]):
            world.add_event(number, **KINDS[kind])
        for (act, route, after), times in script["faults"]:
            once = isinstance(act, UserEdit) or getattr(act, "status", 0) in {401, 429}
            match = Match(route=route, after=after, times=1 if once else times)
            world.sim.faults.add(Fault(act=act, match=match))
        patches = dict(enumerate(script["patches"][: len(script["kinds"])]))
        campaign = world.submit(patches, chunk_size=script["chunk_size"])
        told = await run(world, campaign, script)
        world.audit_run()
        judge(world, campaign, patches=patches, told=told)


async def run(world: World, campaign: str, script: dict[str, Any]) -> set[tuple[int, str]]:
    """Run to the end; people and the operator act between two rounds. Returns who did what."""
    done: set[tuple[int, str]] = set()
    writes_at_cancel: int | None = None
    async with asyncio.timeout(30):
        for turn in range(1, 10_000):
            busy = await step(world, script, turn=turn)
            found = world.store.campaigns.get(campaign)
            assert found is not None
            if found.state in ENDED:
                break
            done |= set(meddle(world, campaign, script, turn))
            if turn == script["cancel_at"]:
                cancel(world, campaign)
                writes_at_cancel = len(world.sim.writes)
            if not busy:
                await asyncio.sleep(0.02)
    if writes_at_cancel is not None:
        assert len(world.sim.writes) == writes_at_cancel, "a write left a cancelled campaign"
    return done


async def step(world: World, script: dict[str, Any], *, turn: int) -> int:
    """Do a round, in whose midst the worker may be told to stop, or die."""
    stops, deaths = dict(script["stops"]), dict(script["deaths"])
    if turn in deaths:
        await die(world, after_s=deaths[turn])
        return 1
    doing = asyncio.create_task(world.step())
    if turn in stops:
        await asyncio.wait([doing], timeout=stops[turn])
        doing.cancel()
        await asyncio.wait([doing])
        resend(world)
    await asyncio.wait([doing])
    return 1 if doing.cancelled() else doing.result()


async def die(world: World, *, after_s: float) -> None:
    """Do a part of a round and write nothing down any more, as after kill -9; the leases run out.

    A call that has left arrives all the same.
    """
    alive = world.engine
    with ThreadPoolExecutor(4) as threads:
        world.engine = replace(alive, threads=threads)
        doing = asyncio.create_task(world.step())
        await asyncio.wait([doing], timeout=after_s)
        threads.shutdown(wait=True)
        doing.cancel()
        await asyncio.wait([doing])
    if not doing.cancelled():
        doing.exception()
    world.engine = alive
    expire = "UPDATE chunks SET lease_until = '2000-01-01 00:00:00.000000' WHERE state = 'running'"
    with world.store.database.begin() as connection:
        connection.execute(text(expire))
    resend(world)


def resend(world: World) -> None:
    """Have messages that nobody took sent again at once, not after a minute."""
    with world.store.database.begin() as connection:
        connection.execute(text("UPDATE chunks SET dispatched_at = NULL"))


def cancel(world: World, campaign: str) -> None:
    """Do what `calpatch cancel` does."""
    note = Note(actor="test", action="campaign.cancelling")
    world.store.campaigns.move(campaign, CampaignState.CANCELLING, note=note)


def meddle(
    world: World, campaign: str, script: dict[str, Any], turn: int
) -> Iterator[tuple[int, str]]:
    """Let people edit events whose lines have not ended: later edits are nobody's business."""
    ended = {one.event_uid for one in world.store.reading.outcomes(campaign) if one.state in FINAL}
    for at, number, what in script["people"]:
        key = (CALENDAR, event_uid(number))
        if at != turn or key not in world.sim.events or key[1] in ended:
            continue
        if world.sim.event(*key).deleted:
            continue
        match what:
            case "describe":
                world.sim.edit_as_user(*key, description="A person's own words")
            case "place":
                world.sim.edit_as_user(*key, location="A person's own room")
            case "move":
                start = world.sim.event(*key).start + timedelta(minutes=17)
                world.sim.edit_as_user(
                    *key,
                    start=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    end=(start + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
                )
            case "delete":
                world.sim.delete_as_user(*key)
        yield number, what


def judge(
    world: World, campaign: str, *, patches: dict[int, Patch], told: set[tuple[int, str]]
) -> None:
    """Check every event against its line's outcome."""
    outcomes = {one.line_no - 2: one for one in world.store.reading.outcomes(campaign)}
    assert outcomes.keys() == patches.keys()
    for number, outcome in outcomes.items():
        rows = world.store.audit.of_event(event_uid(number))
        ends = [row.action for row in rows if row.action.removeprefix("edit.") in set(FINAL)]
        assert len(ends) == 1, ends
        people = {what for who, what in told if who == number}
        check_writes(world, number, outcome, people=people)
        check_event(world, number, outcome, patch=patches[number], people=people)


def check_writes(world: World, number: int, outcome: Outcome, *, people: set[str]) -> None:
    """Never twice, never otherwise, never too often; and what says untouched is untouched."""
    mine = [one for one in world.sim.writes if one.event_uid == event_uid(number)]
    assert sum(one.status not in {401, 429} for one in mine) <= MAX_ATTEMPTS
    bodies = {repr(sorted((one.body or {}).items())) for one in mine}
    assert len(bodies) <= 1, bodies
    is_deleted = world.sim.event(CALENDAR, event_uid(number)).deleted
    if outcome.state in UNTOUCHED and not is_deleted:
        assert not any(one.taken for one in mine), f"{outcome.state} {outcome.code}, but taken"
    if not mine:
        assert outcome.state not in {EditState.MISMATCH, EditState.UNVERIFIED}
        assert outcome.state is not EditState.VERIFIED


def check_event(
    world: World, number: int, outcome: Outcome, *, patch: Patch, people: set[str]
) -> None:
    """The calendar shows what the outcome says, and people's own edits."""
    event = world.sim.event(CALENDAR, event_uid(number))
    if event.deleted:
        return
    if "move" not in people and isinstance(patch.move, Shift):
        assert world.shift_of(number) in {timedelta(0), patch.move.delta}
    if "describe" in people and patch.description is None:
        assert event.description == "A person's own words"
    if "place" in people:
        assert event.location is not None
        assert event.location.description == "A person's own room"
    if outcome.state is EditState.VERIFIED:
        asked = {
            name: value
            for name in ("summary", "description", "transparency")
            if (value := getattr(patch, name)) is not None
        }
        assert {name: getattr(event, name) for name in asked} == asked
