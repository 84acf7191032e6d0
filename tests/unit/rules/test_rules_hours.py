"""When a campaign sends: times, deadlines, hours of the day, and what the clocks do to them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.builders import utc
from worker.model import Run, Window
from worker.rules import is_open, opens_at, parse_window

NIGHT = parse_window("20:00-06:00@Europe/Paris")
OFFICE = parse_window("09:00-17:00@Europe/Paris")
#: In the night from the 28th to the 29th of March 2026 Paris skips 02:00 to 03:00; in that from the
#: 24th to the 25th of October it shows it twice.


def test_a_campaign_without_hours_is_always_open() -> None:
    """Most are."""
    assert is_open(Run(), utc("2026-06-01T12:00"))
    assert opens_at(Run(), utc("2026-06-01T12:00")) == utc("2026-06-01T12:00")


@pytest.mark.parametrize(
    ("now", "opened"),
    [
        ("2026-06-01T17:59", False),
        ("2026-06-01T18:00", True),
        ("2026-06-01T22:30", True),
        ("2026-06-02T03:59", True),
        ("2026-06-02T04:00", False),
        ("2026-12-01T18:59", False),
        ("2026-12-01T19:00", True),
    ],
)
def test_a_window_is_open_by_its_own_clock(now: str, opened: bool) -> None:
    """Also over midnight, and in winter an hour later in UTC."""
    assert is_open(Run(windows=(NIGHT,)), utc(now)) is opened


@pytest.mark.parametrize(
    ("now", "opened"),
    [
        ("2026-06-01T07:59", False),
        ("2026-06-01T08:00", True),
        ("2026-06-01T08:59", True),
        ("2026-06-01T09:00", False),
        ("2026-06-01T10:00", False),
    ],
)
def test_a_campaign_runs_from_its_time_until_its_deadline(now: str, opened: bool) -> None:
    """The deadline itself is too late."""
    run = Run(at=utc("2026-06-01T08:00"), deadline=utc("2026-06-01T09:00"))
    assert is_open(run, utc(now)) is opened


def test_any_of_the_windows_opens_and_any_of_the_quiet_hours_closes() -> None:
    """Quiet hours have the last word: they are somebody's sleep."""
    lunch = parse_window("12:00-13:00@Europe/Paris")
    run = Run(windows=(NIGHT, OFFICE), quiet=(lunch,))
    opened = [hour for hour in range(24) if is_open(run, utc(f"2026-06-01T{hour:02}:30"))]
    assert opened == [0, 1, 2, 3, 7, 8, 9, 11, 12, 13, 14, 18, 19, 20, 21, 22, 23]


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        # skipped: the clock goes past the beginning, to where it is open already
        ("02:30-06:00@Europe/Paris", "2026-03-28T23:00", "2026-03-29T01:00"),
        # skipped as a whole: not on this night
        ("02:15-02:45@Europe/Paris", "2026-03-28T23:00", "2026-03-30T00:15"),
        # shown twice: open once more, in its midst
        ("01:30-02:30@Europe/Paris", "2026-10-25T00:30", "2026-10-25T01:00"),
        ("02:15-02:45@Europe/Paris", "2026-10-25T00:45", "2026-10-25T01:15"),
        # half an hour is shown twice, and the window is left and entered again
        ("01:45-02:15@Australia/Lord_Howe", "2026-04-04T15:00", "2026-04-04T15:15"),
        # a day that never was
        ("12:00-13:00@Pacific/Apia", "2011-12-29T23:00", "2011-12-30T22:00"),
        ("00:00-24:00@Europe/Paris", "2026-03-29T00:59:30", "2026-03-29T00:59:30"),
        ("22:00-00:00@Etc/UTC", "2026-03-29T00:00", "2026-03-29T22:00"),
    ],
)
def test_changes_of_the_clock_open_and_close(hours: str, now: str, opens: str) -> None:
    """What the clock on the wall shows decides, and nothing else."""
    assert opens_at(Run(windows=(parse_window(hours),)), utc(now)) == utc(opens)


@pytest.mark.parametrize(
    ("run", "opens"),
    [
        (Run(windows=(NIGHT,)), "2026-06-01T18:00"),
        (Run(at=utc("2026-06-03T07:00"), windows=(OFFICE,)), "2026-06-03T07:00"),
        (Run(at=utc("2026-06-03T06:00"), windows=(OFFICE,)), "2026-06-03T07:00"),
        (Run(quiet=(parse_window("08:00-20:00@Etc/UTC"),)), "2026-06-01T20:00"),
        (Run(quiet=(parse_window("08:00-24:00@Etc/UTC"),)), "2026-06-02T00:00"),
        (Run(windows=(NIGHT,), quiet=(parse_window("18:00-23:00@Etc/UTC"),)), "2026-06-01T23:00"),
        (Run(windows=(NIGHT,), deadline=utc("2026-06-01T18:00")), None),
        (Run(windows=(NIGHT,), deadline=utc("2026-06-01T18:01")), "2026-06-01T18:00"),
        (Run(deadline=utc("2026-06-01T12:00")), None),
        (Run(windows=(OFFICE,), quiet=(OFFICE,)), None),
    ],
)
def test_the_next_opening_is_told(run: Run, opens: str | None) -> None:
    """Or that there is none: then the campaign can only be tuned, or cancelled."""
    assert opens_at(run, utc("2026-06-01T12:00")) == (utc(opens) if opens else None)


@pytest.mark.parametrize(
    ("run", "has_hours"),
    [
        (Run(), False),
        (Run(deadline=utc("2026-06-01T12:00")), False),
        (Run(at=utc("2026-06-01T12:00")), True),
        (Run(windows=(NIGHT,)), True),
        (Run(quiet=(NIGHT,)), True),
    ],
)
def test_a_campaign_with_hours_is_opened_by_the_clock(run: Run, has_hours: bool) -> None:
    """A deadline alone opens nothing."""
    assert run.has_hours is has_hours


def test_hours_of_two_zones_may_meet_months_later() -> None:
    """Between the changes of the clocks in New York and in Paris they are an hour closer."""
    run = Run(
        windows=(parse_window("13:00-14:00@Europe/Paris"),),
        quiet=(parse_window("05:00-08:00@America/New_York"),),
    )
    assert opens_at(run, utc("2026-06-01T12:00")) == utc("2026-10-25T12:00")


def test_an_opening_is_told_in_utc_whatever_now_is_in() -> None:
    """It goes into SQL."""
    now = datetime(2026, 6, 1, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert opens_at(Run(), now) == now
    assert str(opens_at(Run(windows=(NIGHT,)), now)) == "2026-06-01 18:00:00+00:00"


def test_the_clock_is_watched_to_the_second_whatever_now_is() -> None:
    """A fraction of a second in the search must not be one in what it finds."""
    run = Run(windows=(parse_window("02:30-06:00@Europe/Paris"),))
    now = utc("2026-03-28T23:00") + timedelta(microseconds=7)
    assert opens_at(run, now) == utc("2026-03-29T01:00")


def test_an_unknown_zone_mails_nobody() -> None:
    """Its hours are not open, and its quiet hours have no end."""
    lost = Window(since=0, until=1440, tzid="Mars/Olympus")
    for run in (Run(windows=(lost,)), Run(quiet=(lost,))):
        assert not is_open(run, utc("2026-06-01T12:00"))
        assert opens_at(run, utc("2026-06-01T12:00")) is None


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("20:00-06:00@Europe/Paris", (1200, 360, "Europe/Paris")),
        (" 9:30 - 24:00 @ Etc/UTC ", (570, 1440, "Etc/UTC")),
        ("00:00-24:00@Etc/UTC", (0, 1440, "Etc/UTC")),
    ],
)
def test_hours_are_read(text: str, hours: tuple[int, int, str]) -> None:
    """As people write them."""
    since, until, tzid = hours
    assert parse_window(text) == Window(since=since, until=until, tzid=tzid)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("20-06@Europe/Paris", "write 20:00-06:00@Europe/Paris"),
        ("20:00-06:00", "write 20:00-06:00@Europe/Paris"),
        ("", "write 20:00-06:00@Europe/Paris"),
        ("٢٠:٠٠-٠٦:٠٠@Etc/UTC", "write 20:00-06:00@Europe/Paris"),
        ("24:00-06:00@Etc/UTC", "the last is 23:59"),
        ("20:00-24:30@Etc/UTC", "the last is 23:59"),
        ("20:00-20:00@Etc/UTC", "00:00-24:00 for the whole day"),
        ("20:00-06:00@Mars/Olympus", "give an IANA name"),
    ],
)
def test_other_hours_are_refused_with_what_to_write(text: str, why: str) -> None:
    """In one sentence, with the way out."""
    with pytest.raises(ValueError, match=why):
        parse_window(text)
