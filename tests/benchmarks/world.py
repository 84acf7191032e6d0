"""The benchmark's provider: calendars of ordinary external events, and the files about them.

Every event may be edited, every line names one, nothing recurs: so the fewest calls that a scenario
needs are a formula, and not a guess. Run as a process it serves until SIGTERM:
`python -m tests.benchmarks.world FOLDER SCENARIO-AS-JSON`.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import random
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from tests.benchmarks.scenarios import Scenario
from worker.simulator import Behaviour, Simulator, SimulatorServer, read_rate, write_accounts_csv
from worker.simulator.serve import told_to_stop
from worker.simulator.values import Account, Attendee, Calendar, Event, Location, Person, Profile

#: Days from today in which events lie: readable, and not yet past.
FIRST_DAY, LAST_DAY = 2, 195
#: Working hours there fall on the same day in UTC: a hint means the same to everybody.
ZONES = ("Europe/Paris", "Europe/London", "America/New_York")
EDIT_COLUMNS = (
    "account", "calendar_id", "event_uid", "date_hint", "shift", "new_start", "new_end", "tzid",
)  # fmt: skip
HOUR = timedelta(hours=1)
_NOTES = "Please read the papers beforehand, and tell us by Monday what is missing. " * 2


def build(scenario: Scenario, *, today: date | None = None) -> Simulator:
    """Return a simulator with the scenario's accounts and events."""
    behaviour = Behaviour(
        rate=read_rate(scenario.rate),
        batch_counts_as=scenario.batch_counts_as,
        latency_s=scenario.latency_s,
        seed=scenario.seed,
    )
    sim = Simulator(behaviour)
    rng = random.Random(scenario.seed)
    for number in range(scenario.accounts):
        _add_account(sim, number)
        calendars = list(sim.accounts[f"acc_{number:024x}"].calendar_ids)
        for at in range(scenario.events):
            event = _event(rng, calendars[at % len(calendars)], number * scenario.events + at)
            sim.add_event(_on_a_day(event, rng, today or datetime.now(UTC).date()))
    return sim


def _add_account(sim: Simulator, number: int) -> None:
    sub, email = f"acc_{number:024x}", f"person{number}@example.com"
    profile = Profile(profile_id=f"pro_{number:024x}", profile_name=email)
    account = Account(
        sub=sub,
        email=email,
        name=f"Person {number}",
        access_token=f"access-{number:032x}",
        refresh_token=f"refresh-{number:032x}",
        access_expires_at=sim.clock() + 6 * 3600,
        profiles={profile.profile_id: profile},
    )
    sim.add_account(account)
    for at in range(2):
        sim.add_calendar(
            Calendar(
                calendar_id=f"cal_{number:016x}_{at:016x}",
                calendar_name=("Primary", "Team")[at],
                sub=sub,
                profile_id=profile.profile_id,
                primary=at == 0,
            )
        )


def _event(rng: random.Random, calendar_id: str, number: int) -> Event:
    """Return an event of an ordinary size; when it is comes later."""
    made = datetime(2026, 1, 1, 9, tzinfo=UTC)
    zone = rng.choice(ZONES)
    host = Person("host@example.com", "The host")
    guests = tuple(
        Attendee(f"guest{each}@example.com", f"Guest {each}", "accepted")
        for each in range(rng.randint(0, 4))
    )
    return Event(
        calendar_id=calendar_id,
        event_uid=f"evt_external_{number:024x}",
        summary=f"Planning round {number}",
        description=_NOTES,
        start=made,
        end=made,
        start_tzid=zone,
        end_tzid=zone,
        created=made,
        updated=made,
        location=Location("Building C, Room 12") if rng.random() < 0.5 else None,
        organizer=host,
        attendees=guests,
    )


def _on_a_day(event: Event, rng: random.Random, today: date) -> Event:
    """Return the event at a working hour of a day drawn evenly from the readable window."""
    day = today + timedelta(days=rng.randint(FIRST_DAY, LAST_DAY))
    local = datetime.combine(day, time(rng.randint(9, 15), rng.choice((0, 30))))
    start = local.replace(tzinfo=ZoneInfo(event.start_tzid)).astimezone(UTC)
    return msgspec.structs.replace(event, start=start, end=start + HOUR)


def write_edits(sim: Simulator, path: Path, scenario: Scenario) -> None:
    """Write the campaign: each event moves by an hour, account by account.

    Where a share is done already, lines say times, and these events are there.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, EDIT_COLUMNS, restval="")
        rows.writeheader()
        rows.writerows(_rows(sim, scenario))


def _rows(sim: Simulator, scenario: Scenario) -> Iterator[dict[str, str]]:
    for number, event in enumerate(sim.events.values()):
        row = {
            "account": sim.calendars[event.calendar_id].sub,
            "calendar_id": event.calendar_id,
            "event_uid": event.event_uid,
        }
        if scenario.hinted:
            row["date_hint"] = event.start.isoformat()[:10]
        if not scenario.done_share:
            yield row | {"shift": "PT1H"}
            continue
        # Spread evenly, whatever the share: 0.5 is every other line.
        is_done = int((number + 1) * scenario.done_share) > int(number * scenario.done_share)
        by = timedelta() if is_done else HOUR
        yield row | {
            "new_start": f"{event.start + by:%Y-%m-%dT%H:%M:%SZ}",
            "new_end": f"{event.end + by:%Y-%m-%dT%H:%M:%SZ}",
        }


def main() -> None:
    """Build, write the files, say where it listens, and serve until told to stop."""
    folder, scenario = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Scenario)
    sim = build(scenario)
    write_accounts_csv(sim, folder / "accounts.csv")
    write_edits(sim, folder / "edits.csv", scenario)
    # The provider stands for a service with many machines: a collector's pause of 0.1 to 0.2 s
    # (measured) is one that calls would not meet there, and it makes them arrive together.
    gc.disable()
    asyncio.run(_serve(sim))


async def _serve(sim: Simulator) -> None:
    stopping = told_to_stop()
    async with SimulatorServer(sim) as server:
        sys.stderr.write(f"listening on {server.url}\n")
        sys.stderr.flush()
        await stopping.wait()


if __name__ == "__main__":
    main()
