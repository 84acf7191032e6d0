"""Real calendars: an .ics file goes in through --ics, and its events are moved."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest

from tests.fleet import a_fleet
from tests.runs import wait_for_end
from worker.intake.producer import Order, submit
from worker.model import Policy

PARIS = ZoneInfo("Europe/Paris")


def a_calendar() -> bytes:
    """Return a calendar of meetings, an all-day event and a weekly series, from some years ago."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//test//")
    calendar.add("version", "2.0")
    for number in range(12):
        calendar.add_component(an_event(number, datetime(2021, 3, 1 + number, 10, tzinfo=PARIS)))
    calendar.add_component(an_event(20, date(2021, 3, 20)))
    series = an_event(21, datetime(2021, 3, 2, 16, tzinfo=UTC))
    series.add("rrule", {"freq": "weekly", "count": 4})
    calendar.add_component(series)
    return bytes(calendar.to_ical())


def an_event(number: int, start: datetime | date) -> icalendar.Event:
    """Return an event of an hour, or of a day."""
    event = icalendar.Event()
    event.add("uid", f"uid-{number}@example.com")
    event.add("summary", f"Real meeting {number}")
    event.add("dtstart", start)
    length = timedelta(hours=1) if isinstance(start, datetime) else timedelta(days=1)
    event.add("dtend", start + length)
    event.add("dtstamp", datetime(2021, 1, 1, tzinfo=UTC))
    return event


@pytest.mark.slow
def test_the_events_of_an_ics_file_are_moved(sqlite_url: str, tmp_path: Path) -> None:
    """Timed events move by an hour, the all-day one by a day, the series is left alone."""
    path = tmp_path / "real.ics"
    path.write_bytes(a_calendar())
    simulate = ["--accounts", "0", "--events", "0", "--rate", "off", "--ics", str(path)]
    with a_fleet(tmp_path, sqlite_url, simulate=simulate, workers=1) as fleet:
        with fleet.edits.open(newline="") as file:
            asked = Counter(row["shift"] for row in csv.DictReader(file))
        campaign = submit(
            fleet.settings,
            fleet.store,
            path=str(fleet.edits),
            order=Order(key="k", reason="r", owner="o", policy=Policy(past_events=True)),
        ).campaign.id
        wait_for_end(fleet, campaign, within_s=60)

        outcomes = list(fleet.store.reading.outcomes(campaign))
        codes = Counter(one.code for one in outcomes)

    assert asked["PT1H"] >= 10
    assert codes["recurring"] == 4
    assert codes["verified"] + codes["already_as_asked"] + codes["dst_ambiguous"] == 13
    assert codes["verified"] >= 10
