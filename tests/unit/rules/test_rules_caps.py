"""A cap that knows its job: what a night may change, by what the nights before it changed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rules import JOB_RUNS, median_cap, parse_cap


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("500", 500),
        (" 5,000 ", 5000),
        ("0", 0),
        ("3x-median", Fraction(3)),
        ("2.5x-median", Fraction(5, 2)),
        ("0.5x-median", Fraction(1, 2)),
    ],
)
def test_a_cap_is_a_number_or_so_many_times_the_median(text: str, cap: object) -> None:
    """A fraction, not a float: 1.15 times 100 are 115 changes, and not 114."""
    assert parse_cap(text) == cap


@pytest.mark.parametrize(
    "text",
    ["", "x3", "3x", "3x-mean", "-1", "0x-median", "1e3", "3 x-median", "٣", "1.0000x-median"],
)
def test_any_other_text_is_told_what_to_write(text: str) -> None:
    """It stands in a crontab that nobody looks at: it must not mean something by chance."""
    with pytest.raises(ValueError, match="expected a number of changes such as 500, or 3x-median"):
        parse_cap(text)


def test_the_median_of_the_last_runs_makes_the_cap() -> None:
    """One night of a thousand changes does not allow the next one three thousand."""
    found = median_cap(Fraction(3), [100, 120, 110, 1000, 120, 90])
    assert found == (345, "3x-median is 345: the median of the last 6 runs is 115 changes")


def test_half_a_change_allows_no_whole_one() -> None:
    """More than 2.5 times 3 is 8, not 7."""
    assert median_cap(Fraction(5, 2), [3] * 5).cap == 7


def test_a_few_runs_say_nothing_of_a_job() -> None:
    """The first nights are what the later ones are measured by."""
    found = median_cap(Fraction(3), [100] * 4)
    assert found.cap is None
    assert found.basis == (
        "3x-median does not apply yet: it needs 5 finished runs of the job, and there are 4"
    )


def test_a_job_that_mostly_changes_nothing_has_no_median_to_go_by() -> None:
    """Three times nothing would hold it on the first night that has something to do."""
    found = median_cap(Fraction(3), [0, 0, 0, 0, 9])
    assert found.cap is None
    assert found.basis == "3x-median does not apply: the median of the last 5 runs is 0 changes"


@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=JOB_RUNS), st.integers(1, 20))
def test_a_usual_night_always_keeps_within_its_cap(changes: list[int], times: int) -> None:
    """At least half of the nights before changed no more than the cap."""
    cap = median_cap(Fraction(times), changes).cap
    if cap is not None:
        assert 2 * sum(each <= cap for each in changes) >= len(changes)
