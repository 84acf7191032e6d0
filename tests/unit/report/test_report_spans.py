"""Times in words: where they are, by how much they move, and what the clocks do meanwhile."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.builders import all_day, an_image, timed
from tests.unit.report.outcomes import at
from worker.model import AllDay, Timed
from worker.report.spans import amount, clock_of, moved_by, offset_text, span

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (at("2026-03-02T13:00"), "Mon 2026-03-02 14:00–15:00 Europe/Paris"),
        (
            at("2026-03-02T22:30", minutes=90),
            "Mon 2026-03-02 23:30–Tue 2026-03-03 01:00 Europe/Paris",
        ),
        (
            an_image(timed("2026-03-02T13:00", tzid="Europe/Paris", end_tzid="Europe/London")),
            "Mon 2026-03-02 14:00 Europe/Paris–14:00 Europe/London",
        ),
        (an_image(all_day("2026-03-02")), "Mon 2026-03-02, all day"),
        (an_image(all_day("2026-03-02", days=3)), "Mon 2026-03-02 to Wed 2026-03-04, all day"),
        (
            at("2026-03-02T13:00", tzid="Mars/Olympus"),
            "Mon 2026-03-02 13:00–14:00 UTC (Mars/Olympus is unknown)",
        ),
    ],
)
def test_times_are_told_in_their_zone(image: object, said: str) -> None:
    """A time without its zone is no time; the last of whole days is one of them."""
    assert span(image) == said  # type: ignore[arg-type]


def test_offsets_are_told_when_asked_for() -> None:
    """Across a change of the clocks the zone's name does not say how far it is from UTC."""
    assert span(at("2026-03-02T13:00"), offsets=True).endswith("15:00 UTC+1 Europe/Paris")
    crossing = at("2026-03-29T00:30")
    assert span(crossing, offsets=True) == "Sun 2026-03-29 01:30–03:30 UTC+1 to UTC+2 Europe/Paris"
    two = an_image(timed("2026-03-02T13:00", tzid="Europe/Paris", end_tzid="Asia/Kolkata"))
    assert span(two, offsets=True) == (
        "Mon 2026-03-02 14:00 UTC+1 Europe/Paris–19:30 UTC+5:30 Asia/Kolkata"
    )


def test_the_ends_of_time_have_a_clock() -> None:
    """The last hours of the year 9999 are in no zone east of UTC: they are shown all the same."""
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert clock_of(last, "Asia/Tokyo").local == last.replace(tzinfo=None)


def test_an_offset_west_of_utc_has_its_minutes() -> None:
    """Half hours are not lost in hours below nought."""
    clock = clock_of(datetime(2026, 1, 5, tzinfo=UTC), "America/St_Johns")
    assert offset_text(clock) == "UTC-3:30"
    assert offset_text(clock_of(datetime(2026, 1, 5, tzinfo=UTC), "Etc/UTC")) == "UTC+0"


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (timedelta(minutes=60), "+60 min"),
        (-timedelta(minutes=45), "-45 min"),
        (timedelta(hours=3), "+180 min"),
        (timedelta(hours=4, minutes=30), "+4 h 30 min"),
        (timedelta(days=1), "+1 day"),
        (-timedelta(days=2, hours=3), "-2 days 3 h"),
        (timedelta(seconds=90), "+1 min 30 s"),
    ],
)
def test_amounts_are_read_at_a_glance(delta: timedelta, said: str) -> None:
    """Minutes up to three hours, then hours, then days."""
    assert amount(delta) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (timed("2026-03-02T13:00"), timed("2026-03-02T14:00"), "+60 min"),
        (timed("2026-03-02T13:00"), timed("2026-03-02T13:00", minutes=90), "ends +30 min"),
        (timed("2026-03-02T13:00"), timed("2026-03-02T13:15", minutes=45), "starts +15 min"),
        (
            timed("2026-03-02T13:00"),
            timed("2026-03-02T13:15", minutes=90),
            "starts +15 min, ends +45 min",
        ),
        (timed("2026-03-02T13:00"), timed("2026-03-02T13:00"), ""),
        (all_day("2026-03-02"), all_day("2026-03-09"), "+7 days"),
        (all_day("2026-03-02"), all_day("2026-03-02", days=2), "ends +1 day"),
        (timed("2026-03-02T13:00"), all_day("2026-03-02"), "all day"),
        (all_day("2026-03-02"), timed("2026-03-02T13:00"), "not all day any more"),
    ],
)
def test_a_move_says_by_how_much(before: Timed | AllDay, after: Timed | AllDay, said: str) -> None:
    """What people ask first."""
    assert moved_by(before, after) == said


def test_what_really_passes_is_told_across_a_change_of_the_clocks() -> None:
    """A day later on the clock is 23 hours later on the 29th of March."""
    before = timed("2026-03-28T09:00", tzid="Europe/Paris")
    after = timed("2026-03-29T08:00", tzid="Europe/Paris")
    assert moved_by(before, after) == "+1 day, +23 h in real time"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2026-03-02T13:00", "shown in another zone, at the same moment"),
        ("2026-03-02T19:00", "the same time of another zone, +6 h"),
        ("2026-03-02T14:00", "in another zone, +60 min"),
    ],
)
def test_another_zone_is_not_taken_for_a_move(start: str, said: str) -> None:
    """14:00 in Paris that becomes 14:00 in New York is six hours later, and looks the same."""
    before = timed("2026-03-02T13:00", tzid="Europe/Paris")
    assert moved_by(before, timed(start, tzid=NEW_YORK)) == said


def test_whole_days_of_old_years_are_filled_up() -> None:
    """Programs make events in the year 1; they are no reason to fail."""
    old = AllDay(start=date(1, 1, 1), end=date(1, 1, 2))
    assert span(an_image(old)) == "Mon 0001-01-01, all day"
