"""The demo's oracle: what an edit should have done, from the file and the event alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from worker.cli.demo_proof import (
    Check,
    _edits_checks,
    _lines_once,
    _traffic_checks,
    _untouched_checks,
    wanted,
)

BEFORE = {
    "start": "2026-10-24T09:00:00Z",
    "end": "2026-10-24T10:00:00Z",
    "start_tzid": "Europe/Paris",
    "end_tzid": "Europe/Paris",
    "summary": "Planning",
    "description": "Notes",
    "location": {"description": "Room 4", "lat": "1"},
    "transparency": "opaque",
}
BLANK = dict.fromkeys(
    ("shift", "new_start", "new_end", "tzid", "summary", "description", "location", "transparency"),
    "",
)


def utc(*parts: int) -> datetime:
    """Return an instant."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, {"start": utc(2026, 10, 24, 9)}),
        ({"shift": "PT1H"}, {"start": utc(2026, 10, 24, 10), "end": utc(2026, 10, 24, 11)}),
        # The clocks go back in the night: eleven o'clock stays eleven o'clock.
        ({"shift": "P1D"}, {"start": utc(2026, 10, 25, 10), "end": utc(2026, 10, 25, 11)}),
        ({"shift": "-PT30M"}, {"start": utc(2026, 10, 24, 8, 30)}),
        (
            {"new_start": "2026-10-26T08:00"},
            {"start": utc(2026, 10, 26, 7), "end": utc(2026, 10, 26, 8)},
        ),
        ({"new_start": "2026-10-26T08:00+00:00"}, {"start": utc(2026, 10, 26, 8)}),
        (
            {"new_end": "2026-10-24T13:00"},
            {"start": utc(2026, 10, 24, 9), "end": utc(2026, 10, 24, 11)},
        ),
        ({"summary": "New"}, {"summary": "New", "description": "Notes", "location": "Room 4"}),
        ({"description": "#N/A"}, {"description": "", "summary": "Planning"}),
        ({"location": "Room 5"}, {"location": "Room 5"}),
        ({"transparency": "transparent"}, {"transparency": "transparent"}),
    ],
)  # fmt: skip
def test_an_edit_asks_for_this(cells: dict[str, str], expected: dict[str, Any]) -> None:
    """Worked out by hand, since the proof is worth no more than its oracle."""
    found = wanted(BLANK | cells, BEFORE)
    assert {name: found[name] for name in expected} == expected


def test_whole_days_stay_whole_days() -> None:
    """A date is not midnight."""
    before = BEFORE | {"start": "2026-10-24", "end": "2026-10-25"}
    found = wanted(BLANK | {"shift": "P1D"}, before)
    assert (found["start"], found["end"]) == (date(2026, 10, 25), date(2026, 10, 26))


def test_an_event_without_a_place_has_an_empty_one() -> None:
    """The key is missing then."""
    before = {name: value for name, value in BEFORE.items() if name != "location"}
    assert wanted(BLANK, before)["location"] == ""


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Check("claim", "3", "3"), True),
        (Check("claim", "3", "2"), False),
        (Check("claim", "at most 50", "50", most=50), True),
        (Check("claim", "at most 50", "51", most=50), False),
    ],
)
def test_a_claim_holds_only_when_the_figures_agree(check: Check, holds: bool) -> None:
    """The demo's exit code hangs on it."""
    assert check.holds is holds


# ------------------------------------------------------------------- the proof can fail


KEY = ("cal_1", "evt_1")
ROW = BLANK | {"calendar_id": "cal_1", "event_uid": "evt_1", "line_no": "2", "summary": "New"}
ORDINARY = BEFORE | {"recurring": False, "deleted": False, "options": {"update": True}}
CHANGED = ORDINARY | {"summary": "New"}
STATS = {"busiest_with_refused": {"1s": 50, "60s": 60}, "refused": 0}
LIMITS = {"1s": 50, "60s": 500}


def write(**body: str) -> dict[str, Any]:
    """Return a write as the simulator noted it."""
    return {"calendar_id": "cal_1", "event_uid": "evt_1", "body": {"summary": "New"} | body}


def hold(checks: Iterable[Check]) -> bool:
    """Tell whether all claims hold."""
    return all(check.holds for check in checks)


def test_an_edit_that_took_holds() -> None:
    """The calendar shows what the row asked."""
    events = {KEY: {"initial": ORDINARY, "event": CHANGED}}
    assert hold(_edits_checks([ROW | {"status": "verified"}], events))


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("verified", ORDINARY),  # said to be done, and is not
        ("verified", CHANGED | {"description": "gone"}),  # more than was asked
        ("skipped", CHANGED),  # said to be left alone, and was not
        ("failed", CHANGED),
        ("unchanged", CHANGED),
    ],
)
def test_an_outcome_that_is_not_true_is_found(status: str, event: dict[str, Any]) -> None:
    """Whatever the engine claims, the calendar decides."""
    events = {KEY: {"initial": ORDINARY, "event": event}}
    assert not hold(_edits_checks([ROW | {"status": status}], events))


def test_an_event_that_nobody_knows_counts_as_left_alone() -> None:
    """The campaign names a few on purpose; claiming to have changed one is a lie."""
    assert hold(_edits_checks([ROW | {"status": "skipped"}], {}))
    assert not hold(_edits_checks([ROW | {"status": "verified"}], {}))


@pytest.mark.parametrize(
    "flag",
    [{"recurring": True}, {"options": {"update": False}}, {"event_id": "own"}, {"deleted": True}],
)
def test_a_touched_event_of_a_forbidden_kind_is_found(flag: dict[str, Any]) -> None:
    """Law 4, whether a row named it or not."""
    events = {KEY: {"initial": ORDINARY | flag, "event": CHANGED | flag}}
    assert not hold(_untouched_checks([ROW], events))


def test_a_touched_event_that_nobody_named_is_found() -> None:
    """An edit of the wrong event would show nowhere else."""
    events = {KEY: {"initial": ORDINARY, "event": CHANGED}}
    assert not hold(_untouched_checks([], events))


@pytest.mark.parametrize(
    ("stats", "writes", "holds"),
    [
        (STATS, [write(), write()], True),
        (STATS, [write(), write(summary="Other")], False),
        (STATS, [write(event_id="own")], False),
        (STATS | {"refused": 1}, [], False),
        (STATS | {"busiest_with_refused": {"1s": 51}}, [], False),
        (STATS | {"busiest_with_refused": {"60s": 501}}, [], False),
    ],
)
def test_the_traffic_tells_on_us(
    stats: dict[str, Any], writes: list[dict[str, Any]], holds: bool
) -> None:
    """The limit, event_id, and the law that the same bytes are sent again."""
    assert hold(_traffic_checks(stats, writes, LIMITS)) is holds


def test_a_line_that_is_in_two_files_is_found() -> None:
    """Counting alone would let one stand for another."""
    assert _lines_once([ROW, ROW | {"line_no": "3"}]) == "2"
    assert _lines_once([ROW, ROW]) == "2, some twice"
