"""Going slower after refusals: near the true limit, soon, and back to all of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.limits.pace import LEAST, Pace, factor_of, refused
from worker.limits.slots import Limit, earliest

#: seconds after a refusal after which the rate is full again, whatever was before
BACK_S = 6 + 120 + 100

pauses = st.sampled_from([0.0, 1.0, 8.0, 60.0])
refusals = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 5), pauses), max_size=30)


def pace_after(history: list[tuple[float, float, float]]) -> tuple[Pace | None, float]:
    """Return the pace after refusals (so much later, age, pause), and the moment of the last."""
    pace, now = None, 0.0
    for after, age, pause in history:
        now += after
        pace = refused(pace, now_s=now, age_s=age, pause_s=pause)
    return pace, now


@given(refusals, st.floats(0, 400))
def test_the_factor_is_never_nothing_and_never_more_than_all(
    history: list[tuple[float, float, float]], later: float
) -> None:
    """Whoever is slowed down to nothing never finds out that it is over."""
    pace, now = pace_after(history)
    assert LEAST <= factor_of(pace, now + later) <= 1


@given(refusals.filter(bool))
def test_all_of_the_rate_comes_back_in_bounded_time(
    history: list[tuple[float, float, float]],
) -> None:
    """However often it was refused: within four minutes after the last pause."""
    pace, _ = pace_after(history)
    assert pace is not None
    assert pace.factor(pace.since_s + BACK_S) == 1
    path = [pace.factor(pace.since_s + step) for step in range(BACK_S)]
    assert path == sorted(path)


def test_a_burst_of_refusals_cuts_once() -> None:
    """What was on its way before the cut says nothing about it; the pause may grow."""
    once = refused(None, now_s=100, age_s=0.2, pause_s=1)
    again = refused(once, now_s=100.1, age_s=0.3, pause_s=5)
    assert (once.level, once.low) == (1, 0.8)
    assert again == once._replace(since_s=105.1)


def test_it_stays_longer_when_refused_at_about_the_same_level() -> None:
    """A limit that does not move is tried ever more rarely; one that moved is followed."""
    pace = Pace(level=0.5, low=0.4, since_s=0.0, stay_s=10.0)
    stays = []
    for _ in range(5):
        probing = pace.since_s + 6 + pace.stay_s + 15
        assert pace.factor(probing) > 0.5
        pace = refused(pace, now_s=probing, age_s=0, pause_s=1)
        stays.append(pace.stay_s)
    assert stays == [20, 40, 80, 120, 120]
    dropped = refused(pace, now_s=pace.since_s, age_s=0, pause_s=1)
    assert dropped.stay_s == 10


def test_it_returns_to_just_below_what_was_refused() -> None:
    """That is known to be too much, and little less is known to be too little."""
    pace = Pace(level=0.6, low=0.48, since_s=0.0, stay_s=10.0)
    path = [round(pace.factor(moment), 3) for moment in (-5, 0, 3, 6, 16, 26, 66, 86)]
    assert path == [0.48, 0.48, 0.531, 0.582, 0.582, 0.592, 0.832, 1.0]


# ---------------------------------------------------------------- against an API


class Course(NamedTuple):
    """What became of the calls: those let through and those refused, each by its moment."""

    passed: list[float]
    refused: list[float]


OURS = (Limit(50, 50, 1.0, 1.1), Limit(500, 500, 60.0, 60.1))
Truth = Callable[[float], float]


def course(true: Truth, *, seconds: float, refused_count: bool = False) -> Course:
    """Call as fast as the law allows an API that grants this part of what is configured.

    It says nothing of how long to wait: pauses are the throttle's own, doubled in a row.
    """
    log: list[float] = []
    counted: list[float] = []
    seen = Course([], [])
    pace, now, paused_until, in_a_row = None, 0.0, 0.0, 0
    while now < seconds:
        at, _ = earliest(
            log[:500],
            now=now,
            not_before=paused_until,
            weight=1,
            limits=OURS,
            factor=factor_of(pace, now),
        )
        now, asked_s = min(at, now + 1), at
        if asked_s > now:
            continue
        log.insert(0, now)
        fits = all(
            len(counted) - bisect_right(counted, now - one.seconds) + 1
            <= math.floor(true(now) * one.requests)
            for one in OURS
        )
        (seen.passed if fits else seen.refused).append(now)
        if fits or refused_count:
            counted.append(now)
        in_a_row = 0 if fits else in_a_row + 1
        if not fits:
            pause_s = min(60.0, 2.0 ** (in_a_row - 1))
            pace = refused(pace, now_s=now + 0.15, age_s=0.15, pause_s=pause_s)
            paused_until = now = now + 0.15 + pause_s
    return seen


@pytest.mark.parametrize("refused_count", [False, True])
@pytest.mark.parametrize("part", [0.6, 0.3])
def test_it_settles_near_a_lower_limit(part: float, *, refused_count: bool) -> None:
    """Most of what the API really grants is used, and hardly anything is refused any more."""
    found = course(lambda _: part, seconds=900, refused_count=refused_count)
    late = [moment for moment in found.refused if moment > 300]
    assert len(found.passed) >= 0.9 * part * 500 * 15
    assert len(late) <= 10


def test_it_follows_a_limit_that_moves() -> None:
    """Somebody else's calls come and go."""
    found = course(lambda now: 0.6 + 0.2 * math.sin(now / 90), seconds=900)
    granted = sum(500 / 60 * (0.6 + 0.2 * math.sin(now / 90)) for now in range(900))
    assert len(found.passed) >= 0.85 * granted
    assert len(found.refused) <= 3 * 15


def test_it_uses_everything_when_nothing_is_refused() -> None:
    """On a quiet day there is no law."""
    found = course(lambda _: 1.0, seconds=300)
    assert (len(found.refused), len(found.passed)) == (0, 500 * 5)
