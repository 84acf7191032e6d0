"""Generated people, real iCalendar files, and the CSVs about them."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.unit.simulator.worlds import TurnedClock
from worker.simulator import (
    Behaviour,
    Simulator,
    seed_ics,
    seed_people,
    write_accounts_csv,
    write_edits_csv,
)
from worker.simulator.seeds.people import ZONES, transitions
from worker.simulator.seeds.sheets import EDIT_COLUMNS

TODAY = date(2026, 9, 1)

ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART:20200106T090000Z
DTEND:20200106T100000Z
SUMMARY:First
ORGANIZER;CN=Ann:MAILTO:Ann@example.com
LOCATION:Room 1
END:VEVENT
BEGIN:VEVENT
UID:1
DTSTART;TZID=Europe/Paris:20200107T090000
DURATION:PT90M
SUMMARY:Second\\, of the same UID
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20200108
SUMMARY:All day
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART:20200109T090000Z
DTEND:20200109T093000Z
RRULE:FREQ=WEEKLY;COUNT=3
SUMMARY:Weekly
END:VEVENT
BEGIN:VEVENT
UID:4
SUMMARY:Without a start
END:VEVENT
END:VCALENDAR
"""


def people(accounts: int = 8, events: int = 60, seed: int = 1) -> Simulator:
    """A generated world."""
    sim = Simulator(Behaviour(), clock=TurnedClock(datetime(2026, 9, 1, tzinfo=UTC)))
    seed_people(sim, accounts=accounts, events=events, seed=seed, today=TODAY)
    return sim


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_makes_the_same_world() -> None:
    """A failing run can be told by its seed."""
    one, same, other = (
        msgspec.json.encode(list(people(seed=s).events.values())) for s in (1, 1, 2)
    )
    assert one == same != other


def test_every_kind_of_event_is_there() -> None:
    """Skips, doubts and traps have something to meet."""
    sim = people()
    events = list(sim.events.values())
    kinds = Counter(
        kind
        for event in events
        for kind, holds in {
            "ordinary": event.options.update and not event.recurring and not event.event_id,
            "all_day": event.is_all_day,
            "recurring": event.recurring and event.series_identifier,
            "locked": not event.options.update and not event.recurring,
            "managed": event.event_id,
            "deleted": event.deleted,
            "private": event.event_private,
            "endless": len(event.description) > 4096,
        }.items()
        if holds
    )
    assert len(events) == 480
    assert set(kinds) == {
        "ordinary", "all_day", "recurring", "locked", "managed", "deleted", "private", "endless",
    }  # fmt: skip
    assert kinds["endless"] == 8
    assert kinds["ordinary"] > 380


def test_all_identifiers_are_unique_and_well_formed() -> None:
    """Nothing collides, and nothing is refused for its form."""
    sim = people()
    assert len({uid for _, uid in sim.events}) == 480
    assert all(uid.startswith("evt_external_") and len(uid) == 37 for _, uid in sim.events)
    assert len({account.access_token for account in sim.accounts.values()}) == 8


def test_all_events_lie_in_the_window() -> None:
    """Everything generated can be read, and moved by a week."""
    for event in people().events.values():
        start = event.start.date() if isinstance(event.start, datetime) else event.start
        assert TODAY - timedelta(days=42) < start < TODAY + timedelta(days=194)


def test_people_live_in_several_zones_and_meet_clock_changes() -> None:
    """Some events lie in the nights on which clocks change, by the wall clock of their zone."""
    sim = people()
    assert {account.tzid for account in sim.accounts.values()} == set(ZONES)
    nights = [event for event in sim.events.values() if event.summary == "Night of the clocks"]
    assert nights
    for event in nights:
        assert isinstance(event.start, datetime)
        day = event.start.astimezone(ZoneInfo(event.start_tzid)).date()
        changes = transitions(event.start_tzid, TODAY, TODAY + timedelta(days=200))
        assert {day, day + timedelta(days=1)} & set(changes)


def test_calendars_of_every_sort_are_there() -> None:
    """Primary first; read-only, sandbox and deleted ones here and there."""
    sim = people(accounts=30, events=0)
    assert {len(account.calendar_ids) for account in sim.accounts.values()} == {2, 3}
    calendars = list(sim.calendars.values())
    assert any(each.readonly for each in calendars)
    assert any(each.deleted for each in calendars)
    assert {each.permission_level for each in calendars} == {"unrestricted", "sandbox"}
    assert {len(account.profiles) for account in sim.accounts.values()} == {1, 2}


def test_zones_without_clock_changes_have_none() -> None:
    """Tokyo's clocks stand, Paris's change twice a year."""
    year = (date(2026, 1, 1), date(2027, 1, 1))
    assert transitions("Asia/Tokyo", *year) == []
    assert transitions("Europe/Paris", *year) == [date(2026, 3, 29), date(2026, 10, 25)]


def test_accounts_are_written_with_their_tokens(tmp_path: Path) -> None:
    """What `calpatch accounts import` reads."""
    sim = people(accounts=2, events=1)
    write_accounts_csv(sim, tmp_path / "accounts.csv")
    first, _ = rows(tmp_path / "accounts.csv")
    assert list(first) == [
        "sub", "access_token", "refresh_token", "expires_at", "data_center", "label",
    ]  # fmt: skip
    assert sim.access_tokens[first["access_token"]][0] == first["sub"]
    assert first["expires_at"] == "2026-09-01T01:00:00Z"


def test_a_campaign_holds_every_event_and_a_few_that_nobody_knows(tmp_path: Path) -> None:
    """One row an event, each with one kind of change, and rows that must be skipped."""
    sim = people()
    write_edits_csv(sim, tmp_path / "edits.csv")
    written = rows(tmp_path / "edits.csv")
    assert tuple(written[0]) == EDIT_COLUMNS
    known = [row for row in written if (row["calendar_id"], row["event_uid"]) in sim.events]
    assert len(known) == 480
    assert len(written) - len(known) == 3
    assert all(row["shift"] or row["new_start"] or _texts(row) for row in written)
    for row in known:
        event = sim.events[row["calendar_id"], row["event_uid"]]
        assert not (event.is_all_day and row["shift"] == "PT1H")
        assert row["account"] == sim.calendars[event.calendar_id].sub
    assert {row["shift"] for row in written} == {"", "PT1H", "P1D"}


def test_hints_and_length_of_a_campaign_are_chosen(tmp_path: Path) -> None:
    """Rows without a hint cost wide reads; a limit makes a small campaign."""
    sim = people()
    write_edits_csv(sim, tmp_path / "few.csv", limit=10, share_hinted=0.0)
    few = rows(tmp_path / "few.csv")
    assert [row["ref"] for row in few] == [f"row-{number}" for number in range(1, 11)]
    assert {row["date_hint"] for row in few} == {""}
    write_edits_csv(sim, tmp_path / "all.csv")
    assert all(row["date_hint"] for row in rows(tmp_path / "all.csv"))


def test_real_calendars_are_moved_near_today(tmp_path: Path) -> None:
    """Weekdays and clock times stay; occurrences of a series are marked and locked."""
    path = tmp_path / "club.ics"
    path.write_text(ICS.replace("\n", "\r\n"))
    sim = Simulator(Behaviour())
    seed_ics(sim, [path], today=TODAY)
    events = {event.summary: event for event in sim.events.values()}
    assert set(events) == {"First", "Second, of the same UID", "All day", "Weekly"}
    assert len(sim.events) == 6
    first = events["First"]
    assert isinstance(first.start, datetime)
    assert (first.start.weekday(), first.start.hour, first.start_tzid) == (0, 9, "Etc/UTC")
    assert abs(first.start.date() - TODAY) < timedelta(days=190)
    assert first.organizer
    assert first.organizer.email == "ann@example.com"
    assert events["Second, of the same UID"].start_tzid == "Europe/Paris"
    assert events["All day"].is_all_day
    assert events["Weekly"].recurring
    assert not events["Weekly"].options.update


def test_a_file_that_is_no_calendar_is_refused(tmp_path: Path) -> None:
    """ValueError, which the command line tells in one line."""
    path = tmp_path / "not.ics"
    path.write_text("hello")
    with pytest.raises(ValueError, match="hello"):
        seed_ics(Simulator(), [path], today=TODAY)


def _texts(row: dict[str, str]) -> str:
    return row["summary"] or row["location"] or row["description"] or row["transparency"]
