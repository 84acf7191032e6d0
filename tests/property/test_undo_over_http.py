"""Apply, then undo: the calendars are what they were, field by field, and people's edits survive.

Hypothesis draws the calendars, the campaign, what people do before, between and during both, and
what the API gets wrong; HTTP, SQL and the engine are real.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import drawn
from tests.world import CALENDAR, World, a_world, event_uid
from worker.model import ENDED, CampaignState, Patch, Policy, Reschedule, Run, Shift
from worker.rules.images import plain
from worker.simulator import Behaviour, Fault
from worker.simulator.acts import Act, Drop, Reply, Reset, Shorten, Truncate
from worker.simulator.faults import Match
from worker.simulator.values import Attendee, Event, Location
from worker.store import Outcome

_S = CampaignState
ZONES = ("Etc/UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
#: what an edit may change, as an image and as the provider name it
OURS = {
    "start": "start", "end": "end", "zone": "start_tzid", "summary": "summary",
    "description": "description", "location": "location", "transparency": "transparency",
}  # fmt: skip
TIMES = ("start", "end")
#: why the API would not take back what was there: a title that is empty, or a text beyond its limit
UNSENDABLE = frozenset({"summary_missing", "would_truncate"})


@cache
def edges() -> list[datetime]:
    """Return instants around the changes of the clocks that can be seen, and ordinary ones."""
    today = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    found = [today + timedelta(days=days, minutes=7 * days) for days in (2, 3, 30)]
    for name in ZONES:
        zone = ZoneInfo(name)
        hours = (today + timedelta(hours=each) for each in range(48, 24 * 170))
        before = None
        for hour in hours:
            offset = hour.astimezone(zone).utcoffset()
            if before not in {None, offset}:
                found += [hour - timedelta(minutes=30), hour + timedelta(hours=24)]
            before = offset
    return found


@cache
def days() -> list[date]:
    """Return days for events that last whole ones."""
    return sorted({each.date() for each in edges()})


#: written short in a script; the longest that the API takes, and one beyond it
LONG = {"LONG": "x" * 1024, "LONGER": "y" * 5000}
places = st.sampled_from(["", "Room 4", "Room 4\r\n", "Raum Ä 7 ☕", "a\nb"])
titles = st.sampled_from(["Planning", " Planning", "Review", "Room 4", "", "日本語 会議", "LONG"])
texts = st.sampled_from(["", "Room 4\r\n", "a\nb", "Plan B", "Ägypten 🐫", "  ", "LONG", "LONGER"])
clocks = st.fixed_dictionaries(
    {
        "start": st.integers(0, 99),
        "minutes": st.sampled_from([0, 15, 60, 90, 1440]),
        "zones": st.tuples(st.sampled_from(ZONES), st.none() | st.sampled_from(ZONES)),
        "all_day": st.sampled_from([False, False, False, True]),
    }
)
calendars = st.lists(
    st.fixed_dictionaries(
        {
            "when": clocks,
            "summary": titles,
            "description": texts,
            "location": st.none() | places,
            "transparency": st.sampled_from(["opaque", "transparent"]),
            "meeting_url": st.none() | st.just("https://meet.example.com/1"),
            "guests": st.integers(0, 2),
        }
    ),
    min_size=1,
    max_size=5,
)
rows = st.builds(
    Patch,
    move=st.none()
    | st.builds(Shift, days=st.integers(-2, 5), seconds=st.sampled_from([0, 3600, -1800]))
    | st.builds(
        lambda at: Reschedule(start=edges()[at % len(edges())].isoformat()), st.integers(0, 99)
    ),
    summary=st.none() | st.sampled_from(["Renamed", "Планёрка"]),
    description=st.none() | st.sampled_from(["", "Told anew", "a\nb"]),
    location=st.none() | st.sampled_from(["", "Building B"]),
    transparency=st.none() | st.sampled_from(["opaque", "transparent"]),
)
campaigns = st.one_of(
    drawn.op_lists.map(lambda ops: [Patch(ops=ops)] * 5), st.lists(rows, min_size=5, max_size=5)
)
#: what people do: to an event, in a phase
PHASES = ("planned", "begun", "applied", "undo planned", "undo begun")
deeds = st.one_of(
    st.builds(lambda text: {"summary": text}, st.sampled_from(["Theirs", "Room 4", "Renamed"])),
    st.builds(lambda text: {"description": text}, st.sampled_from(["Their words", "", "a\nb"])),
    st.builds(lambda text: {"location": text}, st.sampled_from(["Their room", "Building B"])),
    st.builds(lambda text: {"transparency": text}, st.sampled_from(["opaque", "transparent"])),
    st.builds(lambda minutes: {"by": minutes}, st.sampled_from([17, 60, -1440])),
    st.just({"deleted": True}),
)
# Nobody changes a field twice: what is changed and changed back leaves no trace to be seen.
people = st.lists(
    st.tuples(st.sampled_from(PHASES), st.integers(0, 4), deeds),
    max_size=5,
    unique_by=lambda deed: (deed[1], *deed[2]),
)
ACTS: list[Act] = [
    Reply(status=500), Reply(status=503, taken=True), Reset(taken=True), Reset(), Truncate(),
    Shorten(items=1), Drop(),
]  # fmt: skip
faults = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3)), max_size=2)
scripts = st.fixed_dictionaries(
    {
        "calendar": calendars,
        "campaign": campaigns,
        "policy": drawn.policies,
        "people": people,
        "faults": faults,
        "chunk_size": st.sampled_from([2, 200]),
    }
)


@settings(max_examples=14, suppress_health_check=[HealthCheck.too_slow])
@given(script=scripts)
def test_an_undo_gives_the_calendars_back(script: dict[str, Any]) -> None:
    """Whatever was there, whatever was changed, and whoever else was at work."""
    run(script)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(script=scripts)
def test_an_undo_gives_many_calendars_back(script: dict[str, Any]) -> None:
    """The same, for as long as a night allows."""
    run(script)


def run(script: dict[str, Any]) -> None:
    """Play a script in a world of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(script, f"sqlite:///{Path(folder) / 'calpatch.db'}"))


async def play(script: dict[str, Any], url: str) -> None:
    """Plan, apply, undo, with people in between; then hold every event against what it was."""
    behaviour = Behaviour(rate=(), lag_s=0.01)
    async with a_world(
        url, behaviour=behaviour, settle=0.1, verify_within=0.8, verify_delay=0.02
    ) as world:
        world.add_account()
        for number, event in enumerate(script["calendar"]):
            world.add_event(number, **seeded(event))
        town = Town(world, script["people"])
        patches = dict(enumerate(script["campaign"][: len(script["calendar"])]))
        policy: Policy = replace(script["policy"], past_events=True)
        campaign = world.submit(patches, run=Run(), policy=policy, chunk_size=script["chunk_size"])
        await planned(world, campaign)
        for act, after in script["faults"]:
            match = Match(route="write" if isinstance(act, Drop) else "batch", after=after, times=2)
            world.sim.faults.add(Fault(act=act, match=match))
        await carried_out(world, campaign, town, phases=("planned", "begun"))
        world.sim.faults.clear()
        await town.act("applied")
        applied = town.snapshot()
        undo = world.undo(campaign, policy=Policy(past_events=True))
        await planned(world, undo)
        await carried_out(world, undo, town, phases=("undo planned", "undo begun"))
        town.judge(
            world.store.reading.outcomes(campaign), world.store.reading.outcomes(undo), applied
        )


def seeded(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event is made of."""
    when, (zone, other) = event["when"], event["when"]["zones"]
    guests = [Attendee(email=f"guest{n}@example.com") for n in range(event["guests"])]
    fields = {
        name: event[name] for name in ("summary", "description", "transparency", "meeting_url")
    }
    fields |= {"attendees": tuple(guests)}
    fields |= {name: LONG.get(fields[name], fields[name]) for name in ("summary", "description")}
    if event["location"]:
        fields["location"] = Location(description=event["location"])
    if when["all_day"]:
        first = days()[when["start"] % len(days())]
        return fields | {"start": first, "end": first + timedelta(days=1 + when["start"] % 3)}
    start = edges()[when["start"] % len(edges())]
    return fields | {
        "start": start,
        "end": start + timedelta(minutes=when["minutes"]),
        "start_tzid": zone,
        "end_tzid": other or zone,
    }


async def planned(world: World, campaign: str) -> None:
    """Go on until a plan is complete."""
    async with asyncio.timeout(30):
        while world.state_of(campaign) is _S.PLANNING:
            if not await world.step():
                await asyncio.sleep(0.01)


async def carried_out(world: World, campaign: str, town: Town, *, phases: tuple[str, str]) -> None:
    """Begin a plan and see it home; people act before, and after the first round of it."""
    await town.act(phases[0])
    if world.state_of(campaign) in ENDED:
        return
    world.begin(campaign)
    await world.step()
    await town.act(phases[1])
    await world.drain(campaign)


class Town:
    """The people: what they did, and what their calendars were without us."""

    def __init__(self, world: World, script: list[tuple[str, int, dict[str, Any]]]) -> None:
        self._world = world
        self._script = script
        #: as each event would be if nobody but people had been at it
        self.alone = dict(world.sim.initial)
        #: by event: what people set after the campaign had begun, by the provider's names
        self.late: dict[tuple[str, str], set[str]] = {}

    async def act(self, phase: str) -> None:
        """Do what the script has for a phase, while no write is on its way."""
        async with asyncio.timeout(10):
            while self._world.sim.pending:
                await asyncio.sleep(0.005)
                self._world.sim.settle()
        for at, number, deed in self._script:
            key = (CALENDAR, event_uid(number))
            if at == phase and key in self.alone and not self._world.sim.event(*key).deleted:
                self._do(key, deed, phase)

    def _do(self, key: tuple[str, str], deed: dict[str, Any], phase: str) -> None:
        now = self._world.sim.event(*key)
        fields = dict(deed)
        if "by" in fields:
            by = timedelta(minutes=fields.pop("by"))
            by = timedelta(days=1) if now.is_all_day else by
            fields = {"start": now.start + by, "end": now.end + by}
        if isinstance(fields.get("location"), str):
            fields["location"] = Location(description=fields["location"])
        # Whoever writes what stands there already has changed nothing that anybody could see.
        fields = {name: it for name, it in fields.items() if not is_same(getattr(now, name), it)}
        self._world.sim.edit_as_user(*key, **fields)
        self.alone[key] = replace(self.alone[key], **fields)
        if phase != "planned":
            self.late.setdefault(key, set()).update(fields)

    def snapshot(self) -> dict[tuple[str, str], Event]:
        """Return the events as they are."""
        return {key: self._world.sim.event(*key) for key in self.alone}

    # ------------------------------------------------------------ judging

    def judge(
        self,
        applied: Iterator[Outcome],
        undone: Iterator[Outcome],
        then: Mapping[tuple[str, str], Event],
    ) -> None:
        """Hold each event against what it would be had there been no campaign at all."""
        edits = {one.event_uid: one for one in applied}
        undos = {one.event_uid: one for one in undone}
        for key, alone in self.alone.items():
            now, edit, undo = self._world.sim.event(*key), edits[key[1]], undos.get(key[1])
            seen = (
                f"{edit.state} {edit.code} {edit.fields}; undo {undo and (undo.state, undo.code)}"
            )
            if undo is None or undo.state in {"verified", "unchanged"}:
                assert without(now) == without(alone), seen
            else:
                self._judge_left(key, edit, undo, then[key], seen=seen)

    def _judge_left(
        self, key: tuple[str, str], edit: Outcome, undo: Outcome, then: Event, *, seen: str
    ) -> None:
        """Hold what was not taken back against its reason; people's edits are there."""
        now, alone = self._world.sim.event(*key), self.alone[key]
        theirs = self.late.get(key, set())
        for name in theirs:
            assert getattr(now, name) == getattr(alone, name), seen
        if alone.deleted:
            return
        if undo.code == "changed_elsewhere":
            ours = {OURS[name] for name in edit.fields.split(",")}
            ours |= {*TIMES} if ours & {*TIMES} else set()
            assert theirs & ours, seen
        elif undo.state == "mismatch":
            assert theirs, seen  # it was given back, and then they came
        else:
            was = edit.before
            assert undo.code in UNSENDABLE, seen
            assert was is not None, seen
            assert not was.summary.strip() or len(was.description) > 4096, seen


def is_same(one: object, other: object) -> bool:
    """Tell whether two values mean the same: white space around a text means nothing."""
    texts = [
        each.description if isinstance(each, Location) else each or "" for each in (one, other)
    ]
    if all(isinstance(each, str) for each in texts):
        return plain(str(texts[0])) == plain(str(texts[1]))
    return one == other


def without(event: Event) -> Event:
    """Return an event without what moves by itself."""
    return replace(event, updated=event.created)
