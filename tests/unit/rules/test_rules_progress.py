"""Progress: exact counts and an honest time to go."""

from __future__ import annotations

import pytest

from worker.model import FINAL, EditState
from worker.rules import Progress, format_seconds
from worker.rules.progress import _GROUPS

COUNTS = {
    EditState.VERIFIED: 2_500,
    EditState.UNCHANGED: 88,
    EditState.SKIPPED: 9,
    EditState.CONFLICT: 4,
    EditState.FAILED: 6,
    EditState.MISMATCH: 3,
    EditState.ACCEPTED: 31,
    EditState.PENDING: 1_000,
}


def test_done_counts_final_outcomes_only() -> None:
    """Accepted is not done (law 6)."""
    assert Progress(counts=COUNTS, total=3_641).done == 2_610


@pytest.mark.parametrize(
    ("done", "total", "percent"),
    [(0, 3, 0.0), (1, 3, 33.3), (2, 3, 66.6), (9_999, 10_000, 99.9), (3, 3, 100.0), (0, 0, 100.0)],
)
def test_percent_is_rounded_down(done: int, total: int, percent: float) -> None:
    """A campaign that says 100 % while an edit is open is not believed the next time."""
    assert Progress(counts={EditState.VERIFIED: done}, total=total).percent == percent


def test_percent_never_exceeds_100() -> None:
    """Others have shown 164 % (features §2, 3)."""
    assert Progress(counts={EditState.VERIFIED: 5}, total=3).percent == 100.0


@pytest.mark.parametrize(
    ("calls", "rate", "eta_s"),
    [
        (None, None, None),
        (None, 340.0, None),
        (100, None, None),
        (100, 0.0, None),
        (100, -1.0, None),
        (170, 340.0, 30.0),
        (1, 0.5, 120.0),
        (0, None, 0.0),
    ],
)
def test_time_to_go_is_calls_over_rate(
    calls: int | None, rate: float | None, eta_s: float | None
) -> None:
    """And not known rather than guessed."""
    assert Progress(counts={}, total=1, calls_remaining=calls, granted_per_min=rate).eta_s == eta_s


def test_the_sentence_says_all_in_one_line() -> None:
    """The line of features §5, for a terminal."""
    progress = Progress(
        counts=COUNTS,
        total=3_641,
        calls_remaining=1_060,
        granted_per_min=340,
        used_per_min=331,
        state="running",
        why="throttled, application uses 160/min",
    )
    assert progress.sentence() == (
        "running 2,610/3,641 71.6% ok 2,588 skip 9 conflict 4 fail 9 | 331/min of 340"
        " | why: throttled, application uses 160/min | ETA 3m08s"
    )


def test_the_sentence_leaves_out_what_is_not_known() -> None:
    """No rate, no reason, no time to go; but outcomes that exist are always named."""
    counts = {EditState.UNVERIFIED: 1, EditState.NOT_ATTEMPTED: 2}
    progress = Progress(counts=counts, total=3, calls_remaining=0)
    assert progress.sentence() == (
        "3/3 100.0% ok 0 skip 0 conflict 0 fail 0 unproven 1 not attempted 2"
    )


def test_a_rate_that_nobody_uses_yet_is_shown_as_unused() -> None:
    """Before the first call there is a grant, but no use."""
    progress = Progress(counts={}, total=1, granted_per_min=350)
    assert progress.sentence().endswith("| 0/min of 350")


def test_what_is_used_is_told_of_the_limit_of_all() -> None:
    """A campaign that asks for less goes slower; what others use is no part of its own limit."""
    progress = Progress(
        counts={}, total=1, calls_remaining=70, granted_per_min=35, used_per_min=200,
        limit_per_min=350,
    )  # fmt: skip
    assert progress.sentence().endswith("| 200/min of 350 | ETA 2m00s")


def test_a_plan_that_is_made_is_as_far_as_the_lines_that_it_went_through() -> None:
    """None of them has ended; and never are there more than all."""
    counts = {EditState.PENDING: 8, EditState.SKIPPED: 2}
    assert Progress(counts=counts, total=10, planned=5).percent == 50.0
    assert Progress(counts=counts, total=10, planned=0).done == 0
    assert Progress(counts=counts, total=10, planned=10).percent == 100.0


def test_each_final_state_is_counted_in_one_group() -> None:
    """The groups of the sentence add up to what is done (law 2)."""
    grouped = [state for _, states in _GROUPS for state in states]
    assert sorted(grouped) == sorted(FINAL)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1s"), (59, "59s"), (60, "1m00s"), (187, "3m07s"), (7_500, "2h05m"), (97_200, "1d03h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """More would be precision that an estimate does not have."""
    assert format_seconds(seconds) == text
