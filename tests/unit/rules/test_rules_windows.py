"""Windows: few reads that hold all hinted days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.builders import TODAY, all_day, day, timed
from worker.model import AllDay, Timed
from worker.rules import (
    ReadWindow,
    is_in_sight,
    is_readable,
    plan_windows,
    readable_window,
    unread_windows,
)

#: 42 days back and 200 ahead of 1 June 2026.
FIRST, LAST = day("2026-04-20"), day("2026-12-18")
FULL = ReadWindow(first=FIRST, last=LAST)


def window(first: str, last: str) -> ReadWindow:
    """Return the window between two days."""
    return ReadWindow(first=day(first), last=day(last))


def planned(*hints: str | None, **limits: int) -> list[ReadWindow]:
    """Plan for hints given as texts."""
    days = [None if hint is None else day(hint) for hint in hints]
    return plan_windows(days, today=TODAY, **limits)


def test_the_readable_window_is_the_apis() -> None:
    """From 42 days back to before the 201st day ahead; an earlier `from` is answered 422."""
    assert readable_window(TODAY) == FULL


def test_nothing_wanted_is_nothing_read() -> None:
    """No edit, no call."""
    assert planned() == []


def test_a_hint_is_read_with_its_neighbours() -> None:
    """A day in one zone is two in UTC, and the window's days are read in UTC."""
    assert planned("2026-06-10") == [window("2026-06-09", "2026-06-11")]
    assert planned("2026-06-10", margin_days=0) == [window("2026-06-10", "2026-06-10")]


def test_one_edit_without_a_hint_needs_the_whole_window_once() -> None:
    """The others' hints then cost nothing more."""
    assert planned("2026-06-10", None, None) == [FULL]


def test_near_hints_share_a_window() -> None:
    """A longer page costs less than another call; order and repetition do not matter."""
    hints = ("2026-06-17", "2026-06-10", "2026-06-10")
    assert planned(*hints) == [window("2026-06-09", "2026-06-18")]


@pytest.mark.parametrize(
    ("second", "windows"),
    [
        ("2026-08-27", [window("2026-06-09", "2026-08-28")]),
        (
            "2026-08-28",
            [window("2026-06-09", "2026-06-11"), window("2026-08-27", "2026-08-29")],
        ),
    ],
)
def test_windows_stay_apart_where_the_days_between_fill_a_page(
    second: str, windows: list[ReadWindow]
) -> None:
    """At four events a day 75 unneeded days fill a page of 300, and cost as much as a call."""
    assert planned("2026-06-10", second) == windows


def test_what_is_not_where_its_hint_said_is_looked_for_in_the_rest() -> None:
    """What was read already is not read again, and nothing of the readable window is left out."""
    read = [window("2026-05-10", "2026-07-30"), window("2026-11-01", "2026-11-03")]
    assert unread_windows(read, today=TODAY, max_gap_days=0) == [
        window("2026-04-20", "2026-05-09"),
        window("2026-07-31", "2026-10-31"),
        window("2026-11-04", "2026-12-18"),
    ]


def test_a_little_is_read_again_where_that_saves_a_call() -> None:
    """The rests before and after three days are one window, not two."""
    assert unread_windows([window("2026-06-09", "2026-06-11")], today=TODAY) == [FULL]


def test_after_the_whole_window_nothing_is_left() -> None:
    """An event without a hint has been looked for everywhere."""
    assert unread_windows([FULL], today=TODAY) == []
    assert unread_windows([], today=TODAY) == [FULL]


def test_touching_windows_are_one_even_without_any_gap_allowed() -> None:
    """Two calls for what one range holds are one too many."""
    assert planned("2026-06-10", "2026-06-13", max_gap_days=0) == [
        window("2026-06-09", "2026-06-14")
    ]


@pytest.mark.parametrize(
    ("hint", "first", "last"),
    [(FIRST, 0, 1), (FIRST, -1, 0), (LAST, -1, 0), (LAST, 0, 1)],
)
def test_windows_end_where_the_api_does(hint: date, first: int, last: int) -> None:
    """A hint at the edge, or a day beyond it, is read as far as can be."""
    at = hint + timedelta(days=first if hint == FIRST else last)
    (only,) = plan_windows([at], today=TODAY)
    assert FIRST <= only.first <= only.last <= LAST
    assert is_readable(at, today=TODAY)


@pytest.mark.parametrize("hint", ["2026-04-18", "2026-12-20", "2020-01-01", "2099-01-01"])
def test_hints_outside_are_dropped(hint: str) -> None:
    """No call can show them; the edit is skipped as outside of the window."""
    assert planned(hint) == []
    assert planned(hint, "2026-06-10") == [window("2026-06-09", "2026-06-11")]
    assert not is_readable(day(hint), today=TODAY)


@pytest.mark.parametrize("hint", [date.min, date.max])
def test_the_ends_of_the_calendar_are_hints_like_any_other(hint: date) -> None:
    """Nonsense in a file must not end a worker."""
    assert plan_windows([hint], today=TODAY) == []


@pytest.mark.parametrize(
    ("when", "is_seen"),
    [
        (timed("2026-06-02T09:00"), True),
        (timed("2026-12-18T23:00"), True),
        (timed("2026-12-19T00:00"), False),
        (timed("2026-04-19T22:00"), False),
        (timed("2026-04-19T23:30"), True),
        (all_day("2026-12-18", days=3), True),
        (all_day("2026-12-19"), False),
        (all_day("2026-04-19", days=1), False),
        (all_day("2026-04-19", days=2), True),
        (all_day("2026-06-02", days=0), True),
        (AllDay(start=date.min, end=date.min), False),
        (AllDay(start=date.min, end=date.max), True),
    ],
)
def test_an_event_is_in_sight_if_one_of_its_days_is(when: AllDay | Timed, is_seen: bool) -> None:
    """What cannot be seen is told apart from what was not read back in time."""
    assert is_in_sight(when, today=TODAY) is is_seen
