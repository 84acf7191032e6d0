"""Trying again: when, how often, and as what an edit ends otherwise."""

from __future__ import annotations

import math

import pytest

from worker.model import TRANSITIONS, Code, EditState
from worker.rules import (
    AbortCampaign,
    Accepted,
    Again,
    Answer,
    GiveUp,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    Retry,
    SkipEdit,
    Snooze,
    Throttled,
    backoff_s,
    clamped_retry_after_s,
    next_try,
)

DOUBT = InDoubt(status=503, why="status")


def tried(answer: Answer, *, attempts: int = 1, roll: float = 0.5) -> Retry:
    """Return what follows an answer at the default of five attempts."""
    return next_try(answer, attempts=attempts, max_attempts=5, roll=roll)


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 64.0), (7, 64.0), (10_000, 64.0)],
)
def test_backoff_doubles_up_to_its_cap(attempts: int, longest: float) -> None:
    """Full jitter: evenly from nothing to the bound, so that retries do not march in step."""
    assert backoff_s(attempts, roll=0.0) == 0.0
    assert backoff_s(attempts, roll=0.5) == longest / 2


def test_doubt_is_tried_again_with_backoff() -> None:
    """After a read: law 5 is the caller's part, waiting is this one's."""
    assert tried(DOUBT, attempts=2) == Again(after_s=2.0)


@pytest.mark.parametrize("attempts", [5, 6])
def test_doubt_ends_when_the_attempts_are_used_up(attempts: int) -> None:
    """Without an end, one broken account would be tried for ever."""
    assert tried(DOUBT, attempts=attempts) == GiveUp(state=EditState.FAILED, code=Code.UPSTREAM)


def test_a_refreshed_token_is_used_at_once_and_not_for_ever() -> None:
    """The refusal is about the token; a new one is either good or it is not."""
    assert tried(Reauthenticate()) == Again(after_s=0.0)
    assert tried(Reauthenticate(), attempts=5) == GiveUp(
        state=EditState.FAILED, code=Code.UNAUTHORIZED
    )


@pytest.mark.parametrize("attempts", [1, 5, 500])
@pytest.mark.parametrize(
    ("answer", "after_s"),
    [
        (Throttled(retry_after_s=30.0), 30.0),
        (Throttled(), 1.0),
        (ParkAccount(code=Code.ACCOUNT_LOCKED, status=423), 1800.0),
        (AbortCampaign(code="plan_feature_missing", status=402), 1800.0),
    ],
)
def test_waiting_uses_up_no_attempt(answer: Answer, after_s: float, attempts: int) -> None:
    """Waiting is not failing (law 7), however long the queue is."""
    assert tried(answer, attempts=attempts) == Snooze(after_s=after_s)


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (None, 1.0),
        (math.nan, 1.0),
        (-5.0, 1.0),
        (0.0, 1.0),
        (0.2, 1.0),
        (60.0, 60.0),
        (86_400.0, 300.0),
        (math.inf, 300.0),
    ],
)
def test_retry_after_is_believed_within_reason(said: float | None, believed: float) -> None:
    """A header of nonsense neither hammers the API nor stops a campaign for a day."""
    assert clamped_retry_after_s(said) == believed


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (
            SkipEdit(code=Code.PERMISSION_MISSING, status=403),
            GiveUp(state=EditState.SKIPPED, code=Code.PERMISSION_MISSING),
        ),
        (RejectEdit(status=422), GiveUp(state=EditState.FAILED, code=Code.REJECTED)),
    ],
)
def test_a_refusal_is_final_at_the_first_attempt(answer: Answer, end: GiveUp) -> None:
    """Sending the same bytes again would get the same answer."""
    assert tried(answer) == end
    assert end.state in TRANSITIONS[EditState.SENDING]


def test_an_accepted_edit_is_never_tried_again() -> None:
    """Asking is a mistake in the caller, and must not become a second write."""
    with pytest.raises(ValueError, match="not tried again"):
        tried(Accepted())
