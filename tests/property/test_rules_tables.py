"""Answers, retries, windows and progress over all their inputs."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from worker.model import FINAL, TRANSITIONS, EditState
from worker.rules import (
    Accepted,
    Answer,
    Doubted,
    Ended,
    InDoubt,
    NotTaken,
    Progress,
    RejectEdit,
    SkipEdit,
    Taken,
    adds_up,
    is_readable,
    judge,
    next_try,
    plan_windows,
    readable_window,
    unread_windows,
)

statuses = st.integers(-10, 1000) | st.integers()
rolls = st.floats(0, 1, exclude_max=True)
days = st.dates(date(2026, 1, 1), date(2027, 6, 1))
counts = st.dictionaries(st.sampled_from(EditState), st.integers(0, 10_000))


@given(status=statuses, sole=st.booleans(), after=st.none() | st.floats())
def test_every_number_has_exactly_one_answer(status: int, sole: bool, after: float | None) -> None:
    """A status that nobody thought of is doubt, never success and never an exception."""
    answer = judge(status, retry_after_s=after, sole=sole)
    assert isinstance(answer, get_args(Answer))
    assert isinstance(answer, Accepted) == (200 <= status <= 299)
    if not 200 <= status <= 499:
        assert isinstance(answer, InDoubt)
    if not sole:
        assert not isinstance(answer, SkipEdit | RejectEdit)


@given(
    status=statuses,
    after=st.none() | st.floats(),
    attempts=st.integers(1, 10**6),
    settle_s=st.floats(0, 60),
    roll=rolls,
)
def test_every_answer_leads_to_a_bounded_wait_or_an_end(
    status: int, after: float | None, attempts: int, settle_s: float, roll: float
) -> None:
    """No header and no counter makes an edit wait for ever, or end along an arrow there is not."""
    answer = judge(status, retry_after_s=after)
    match next_try(answer, attempts=attempts, settle_s=settle_s, roll=roll):
        case Taken():
            assert isinstance(answer, Accepted)
        case NotTaken() as back:
            assert attempts - 1 <= back.attempts <= attempts
            assert 0 <= back.after_s < 64
        case Doubted() as doubt:
            assert settle_s <= doubt.after_s < max(64, settle_s + 1)
        case Ended() as end:
            assert end.state in TRANSITIONS[EditState.SENDING]
            assert end.state in TRANSITIONS[EditState.PENDING]


@given(
    hints=st.lists(days, max_size=30),
    today=days,
    margin=st.integers(0, 5),
    gap=st.integers(0, 30),
)
def test_windows_hold_every_readable_hint_and_are_disjoint(
    hints: list[date], today: date, margin: int, gap: int
) -> None:
    """An event that the plan forgot would be reported as not found."""
    windows = plan_windows(hints, today=today, margin_days=margin, max_gap_days=gap)
    readable = readable_window(today)
    for hint in hints:
        wanted = {
            day
            for offset in range(-margin, margin + 1)
            if readable.first <= (day := hint + timedelta(days=offset)) <= readable.last
        }
        assert bool(wanted) == is_readable(hint, today=today, margin_days=margin)
        holding = [w for w in windows if wanted and w.first <= min(wanted) <= max(wanted) <= w.last]
        assert len(holding) == bool(wanted)
    for window in windows:
        assert readable.first <= window.first <= window.last <= readable.last
    for one, next_one in pairwise(windows):
        assert (next_one.first - one.last).days > gap + 1


@given(hints=st.lists(st.none() | days, max_size=10), today=days, gap=st.integers(0, 80))
def test_the_planned_and_the_unread_windows_are_all_that_can_be_read(
    hints: list[date | None], today: date, gap: int
) -> None:
    """Whatever is in neither could not be seen by anybody: only then is it not found."""
    read = plan_windows(hints, today=today, max_gap_days=gap)
    rest = unread_windows(read, today=today, max_gap_days=gap)
    seen = {
        window.first + timedelta(days=n)
        for window in [*read, *rest]
        for n in range((window.last - window.first).days + 1)
    }
    whole = readable_window(today)
    assert seen == {
        whole.first + timedelta(days=n) for n in range((whole.last - whole.first).days + 1)
    }


@given(hints=st.lists(st.none() | days, max_size=10), today=days)
def test_windows_do_not_depend_on_the_order_of_hints(hints: list[date | None], today: date) -> None:
    """The same chunk makes the same calls."""
    assert plan_windows(hints, today=today) == plan_windows(hints[::-1] * 2, today=today)


@given(counts=counts, extra=st.integers(-5, 5))
def test_progress_never_claims_more_than_there_is(counts: dict[EditState, int], extra: int) -> None:
    """100 % if and only if nothing is open, as far as the total is right."""
    total = max(0, sum(counts.values()) + extra)
    progress = Progress(counts=counts, total=total, calls_remaining=total, granted_per_min=100.0)
    assert 0 <= progress.percent <= 100
    assert (progress.percent == 100) == (progress.done >= total)
    assert adds_up(total, counts) == (progress.done == total == sum(counts.values()))
    assert f"/{total:,}" in progress.sentence()
    assert progress.done == sum(counts.get(state, 0) for state in FINAL)
