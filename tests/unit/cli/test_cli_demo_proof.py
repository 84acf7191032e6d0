"""The demo's oracle: what an edit should have done, from the file and the event alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from worker.cli.demo_proof import Check, wanted

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
