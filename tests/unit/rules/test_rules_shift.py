"""Shifts: reading them, writing them, and moving events by them."""

from __future__ import annotations

import pytest

from tests.builders import a_policy, all_day, day, timed, utc
from worker.model import AllDay, Lasting, Policy, Shift, Timed
from worker.rules import (
    Ambiguous,
    NotForAllDay,
    format_shift,
    moved,
    parse_length,
    parse_shift,
)

STRICT = Policy()


@pytest.mark.parametrize(
    ("text", "days", "seconds"),
    [
        ("P1D", 1, 0),
        ("-P1D", -1, 0),
        ("+P1W", 7, 0),
        ("P1W2D", 9, 0),
        ("PT30M", 0, 1800),
        ("-PT45S", 0, -45),
        ("P1DT2H", 1, 7200),
        ("-P1DT2H30M1S", -1, -9001),
        ("PT24H", 0, 86_400),
        ("PT1.5H", 0, 5400),
        ("PT0,5M", 0, 30),
        ("PT1H0.5M", 0, 3630),
        (" pt1h ", 0, 3600),
        ("P400D", 400, 0),
    ],
)
def test_iso_durations_are_read(text: str, days: int, seconds: int) -> None:
    """Weeks and days stay days, because only those move an all-day event."""
    assert parse_shift(text) == Shift(days=days, seconds=seconds)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("PT45M", Lasting(seconds=2700)),
        ("P1W1D", Lasting(days=8)),
        ("+P1DT1.5H", Lasting(days=1, seconds=5400)),
        ("P400D", Lasting(days=400)),
    ],
)
def test_lengths_are_read(text: str, meant: Lasting) -> None:
    """They are durations, too, but nothing lasts less than no time."""
    assert parse_length(text) == meant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-PT1H", "leave the minus out"),
        ("-P1D", "leave the minus out"),
        ("PT0S", "no time at all"),
        ("-P0D", "no time at all"),
        ("P1M", "months differ in length; give days"),
        ("P401D", "longer than 400 days"),
        ("an hour", "not an ISO 8601 duration; write PT30M"),
    ],
)
def test_what_is_no_length_is_refused(text: str, reason: str) -> None:
    """Each refusal says what to write instead."""
    with pytest.raises(ValueError, match=reason):
        parse_length(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P1M", "months differ in length; give days"),
        ("P1Y", "months differ in length; give days"),
        ("P1Y2D", "months differ in length; give days"),
        ("P0D", "changes nothing"),
        ("-PT0S", "changes nothing"),
        ("P401D", "longer than 400 days"),
        ("-P400DT1S", "longer than 400 days"),
        ("P999999999D", "longer than 400 days"),
        ("PT999999999H", "longer than 400 days"),
        ("P1.5D", "give the rest in hours"),
        ("P0,5W", "give the rest in hours"),
        ("PT0.0001H", "whole seconds"),
        ("PT0.5S", "whole seconds"),
        ("PT1.5H30M", "only the last part"),
        ("", "not an ISO 8601 duration"),
        ("P", "not an ISO 8601 duration"),
        ("PT", "not an ISO 8601 duration"),
        ("P1DT", "not an ISO 8601 duration"),
        ("1 day", "not an ISO 8601 duration"),
        ("P1D2W", "not an ISO 8601 duration"),
        ("--P1D", "not an ISO 8601 duration"),
        ("P٣D", "not an ISO 8601 duration"),
        ("P1D\nP1D", "not an ISO 8601 duration"),
        ("P9999999999D", "not an ISO 8601 duration"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text: str, reason: str) -> None:
    """A month has no length, and guessing what a typing error meant moves thousands of events."""
    with pytest.raises(ValueError, match=reason):
        parse_shift(text)


def test_elapsed_is_asked_for_apart_from_the_text() -> None:
    """The same text means both kinds; the mode is a column of its own."""
    assert parse_shift("PT1H", elapsed=True) == Shift(seconds=3600, elapsed=True)


@pytest.mark.parametrize(
    ("shift", "text"),
    [
        (Shift(days=1), "P1D"),
        (Shift(days=-7), "-P7D"),
        (Shift(seconds=5400), "PT1H30M"),
        (Shift(days=-1, seconds=-1), "-P1DT1S"),
        (Shift(seconds=90_000), "PT25H"),
        (Shift(days=1, seconds=-3600), "PT23H"),
        (Shift(days=-1, seconds=3600), "-PT23H"),
        (Shift(days=1, seconds=-86_400), "P0D"),
        (Shift(), "P0D"),
    ],
)
def test_shifts_are_written_as_iso_durations(shift: Shift, text: str) -> None:
    """Reports show what was asked in the words of the input."""
    assert format_shift(shift) == text


def test_a_day_later_is_the_same_hour_across_a_clock_change() -> None:
    """People who move a nine o'clock meeting by a day mean nine o'clock (features §2, 26)."""
    saturday = timed("2026-03-28T08:00", tzid="Europe/Paris")
    assert moved(saturday, Shift(days=1), tzid=None, policy=STRICT) == timed(
        "2026-03-29T07:00", tzid="Europe/Paris"
    )


def test_an_elapsed_day_is_24_hours_across_a_clock_change() -> None:
    """Asked for elapsed time, the wall clock may end up elsewhere."""
    saturday = timed("2026-03-28T08:00", tzid="Europe/Paris")
    move = Shift(days=1, elapsed=True)
    assert moved(saturday, move, tzid=None, policy=STRICT) == timed(
        "2026-03-29T08:00", tzid="Europe/Paris"
    )


def test_each_end_moves_by_its_own_clock() -> None:
    """A flight from Paris to New York lands by New York's clock, which changes weeks earlier."""
    flight = timed(
        "2026-03-07T10:00", minutes=480, tzid="Europe/Paris", end_tzid="America/New_York"
    )
    later = moved(flight, Shift(days=1), tzid=None, policy=STRICT)
    assert isinstance(later, Timed)
    assert (later.start, later.end) == (utc("2026-03-08T10:00"), utc("2026-03-08T17:00"))


def test_the_edits_own_zone_moves_both_ends_and_is_not_shown() -> None:
    """Providers that tell no zone report UTC; a tzid then gives the clock that people see."""
    saturday = timed("2026-03-28T08:00")
    assert moved(saturday, Shift(days=1), tzid="Europe/Paris", policy=STRICT) == timed(
        "2026-03-29T07:00"
    )


@pytest.mark.row(33)
def test_a_skipped_time_is_refused_with_both_readings() -> None:
    """02:30 does not exist in Paris on 29 March 2026; a person has to say what is meant."""
    night = timed("2026-03-28T01:30", tzid="Europe/Paris")
    answer = moved(night, Shift(days=1), tzid=None, policy=STRICT)
    assert answer == Ambiguous(
        why="gap", readings=(utc("2026-03-29T00:30"), utc("2026-03-29T01:30"))
    )
    assert str(answer) == "gap: 2026-03-29T00:30:00Z or 2026-03-29T01:30:00Z"


@pytest.mark.row(33)
def test_a_repeated_time_is_refused_with_both_readings() -> None:
    """02:30 comes twice in Paris on 25 October 2026."""
    night = timed("2026-10-24T00:30", minutes=15, tzid="Europe/Paris")
    assert moved(night, Shift(days=1), tzid=None, policy=STRICT) == Ambiguous(
        why="fold", readings=(utc("2026-10-25T00:30"), utc("2026-10-25T01:30"))
    )


@pytest.mark.parametrize(
    ("before", "policy", "start"),
    [
        ("2026-03-28T01:30", a_policy(dst_gap="earlier"), "2026-03-29T00:30"),
        ("2026-03-28T01:30", a_policy(dst_gap="later"), "2026-03-29T01:30"),
        ("2026-10-24T00:30", a_policy(dst_fold="earlier"), "2026-10-25T00:30"),
        ("2026-10-24T00:30", a_policy(dst_fold="later"), "2026-10-25T01:30"),
    ],
)
def test_the_policy_chooses_between_the_two_instants(
    before: str, policy: Policy, start: str
) -> None:
    """Earlier and later speak of instants, in a gap as in a fold."""
    night = timed(before, minutes=15, tzid="Europe/Paris")
    answer = moved(night, Shift(days=1), tzid=None, policy=policy)
    assert isinstance(answer, Timed)
    assert answer.start == utc(start)


def test_the_end_is_as_clear_as_the_start_or_refused() -> None:
    """An event that ends inside a gap has no clear length, even if its start is clear."""
    night = timed("2026-03-28T00:30", tzid="Europe/Paris")
    answer = moved(night, Shift(days=1), tzid=None, policy=STRICT)
    assert isinstance(answer, Ambiguous)
    assert answer.why == "gap"


def test_the_first_hours_after_a_fold_are_clear_again() -> None:
    """An event that began in the repeated hour moves on by its wall clock."""
    second_half_past_two = timed("2026-10-25T01:30", minutes=15, tzid="Europe/Paris")
    assert moved(second_half_past_two, Shift(days=1), tzid=None, policy=STRICT) == timed(
        "2026-10-26T01:30", minutes=15, tzid="Europe/Paris"
    )


def test_a_clock_change_must_not_eat_an_event() -> None:
    """From 02:50 before to 02:10 after the change: on another day the clock would run backwards."""
    across = timed("2026-10-25T00:50", minutes=20, tzid="Europe/Paris")
    assert moved(across, Shift(days=1), tzid=None, policy=STRICT) == Ambiguous(why="order")


def test_no_length_is_lost_by_moving() -> None:
    """From 02:30 before to 02:30 after the change is an hour, and would become nothing."""
    across = timed("2026-10-25T00:30", tzid="Europe/Paris")
    assert moved(across, Shift(days=1), tzid=None, policy=STRICT) == Ambiguous(why="order")


def test_an_event_without_length_may_keep_it() -> None:
    """Such events exist; the API judges them, not a rule about clock changes."""
    reminder = timed(minutes=0)
    assert moved(reminder, Shift(seconds=60), tzid=None, policy=STRICT) == timed(
        "2026-06-02T09:01", minutes=0
    )


def test_no_length_comes_about_either() -> None:
    """Noon in two zones at once is an hour apart once only one of them has changed its clock."""
    reminder = timed(
        "2026-03-07T12:00", minutes=0, tzid="Europe/Paris", end_tzid="America/New_York"
    )
    move = Shift(days=2)
    assert moved(reminder, move, tzid=None, policy=STRICT) == Ambiguous(why="order")


@pytest.mark.parametrize(
    "name",
    [
        "Romance Standard Time",
        "+02:00",
        "",
        "America",
        "../Paris",
        "localtime",
        "right/UTC",
        "a" * 300,
    ],
)
@pytest.mark.row(33)
def test_an_unknown_zone_is_refused(name: str) -> None:
    """A clock that cannot be told is not moved; UTC would be a guess, the host's zone worse."""
    event = timed(tzid=name or "x", end_tzid="Etc/UTC")
    assert moved(event, Shift(days=1), tzid=None, policy=STRICT) == Ambiguous(why="zone")


def test_an_unknown_zone_at_the_end_alone_is_refused_too() -> None:
    """Half a clock is none."""
    event = timed(end_tzid="Mars/Olympus")
    answer = moved(event, Shift(days=1), tzid=None, policy=STRICT)
    assert answer == Ambiguous(why="zone")
    assert str(answer) == "zone"


@pytest.mark.parametrize("move", [Shift(days=1, elapsed=True), Shift(days=1)])
def test_an_unknown_zone_does_not_matter_where_no_clock_is_read(move: Shift) -> None:
    """Elapsed time needs no zone, and an edit with a zone of its own brings one."""
    event = timed(tzid="Mars/Olympus")
    tzid = None if move.elapsed else "Etc/UTC"
    answer = moved(event, move, tzid=tzid, policy=STRICT)
    assert answer == timed("2026-06-03T09:00", tzid="Mars/Olympus")


def test_an_all_day_event_moves_by_days() -> None:
    """It has no zone and no clock, so no change of clocks concerns it."""
    assert moved(all_day("2026-03-28", days=2), Shift(days=1), tzid=None, policy=STRICT) == AllDay(
        start=day("2026-03-29"), end=day("2026-03-31")
    )


@pytest.mark.row(34)
def test_an_all_day_event_does_not_move_by_hours() -> None:
    """Even 24 of them: whoever writes hours has timed events in mind."""
    move = Shift(seconds=86_400)
    assert moved(all_day(), move, tzid=None, policy=STRICT) == NotForAllDay()


@pytest.mark.parametrize("when", [all_day("9999-12-30"), timed("9999-12-30T09:00")])
@pytest.mark.parametrize("elapsed", [True, False])
@pytest.mark.row(34)
def test_beyond_the_last_year_is_refused(when: AllDay | Timed, elapsed: bool) -> None:
    """Providers deliver year 9999; that must not end a worker."""
    move = Shift(days=5, elapsed=elapsed)
    assert moved(when, move, tzid=None, policy=STRICT) == Ambiguous(why="range")
