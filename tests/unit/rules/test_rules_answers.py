"""The table of statuses, row by row."""

from __future__ import annotations

import pytest

from worker.model import ABORT_REASONS, Code
from worker.rules import (
    PLAN_FEATURE_MISSING,
    AbortCampaign,
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Throttled,
    in_doubt,
    is_unanswered,
    judge,
)

WIDE = [
    (200, Accepted()),
    (202, Accepted()),
    (207, Accepted()),
    (401, Reauthenticate()),
    (402, AbortCampaign(code="plan_feature_missing", status=402)),
    (423, ParkAccount(code=Code.ACCOUNT_LOCKED, status=423)),
    (429, Throttled()),
    (500, InDoubt(status=500, why="status")),
    (503, InDoubt(status=503, why="status")),
    (599, InDoubt(status=599, why="status")),
    (100, InDoubt(status=100, why="status")),
    (300, InDoubt(status=300, why="status")),
    (302, InDoubt(status=302, why="status")),
    (408, InDoubt(status=408, why="status")),
    (425, InDoubt(status=425, why="status")),
    (499, InDoubt(status=499, why="status")),
    (999, InDoubt(status=999, why="status")),
    (-1, InDoubt(status=-1, why="status")),
    (0, InDoubt(status=0, why="no_answer")),
]
NARROW = [
    (400, RejectEdit(status=400)),
    (403, SkipEdit(code=Code.PERMISSION_MISSING, status=403)),
    (404, SkipEdit(code=Code.NOT_FOUND, status=404)),
    (410, SkipEdit(code=Code.NOT_FOUND, status=410)),
    (409, RejectEdit(status=409)),
    (413, RejectEdit(status=413)),
    (422, RejectEdit(status=422)),
]


@pytest.mark.parametrize(("status", "answer"), WIDE + NARROW)
def test_each_status_of_one_edit_has_one_meaning(status: int, answer: Answer) -> None:
    """The table of cronofy-api §8, and what lies around it."""
    assert judge(status) == answer


@pytest.mark.parametrize(("status", "answer"), WIDE)
def test_what_concerns_everybody_is_said_of_a_whole_batch_too(status: int, answer: Answer) -> None:
    """A token, a limit or an outage is the same for all of its edits."""
    assert judge(status, sole=False) == answer


@pytest.mark.parametrize("status", [status for status, _ in NARROW])
def test_a_refused_batch_condemns_none_of_its_edits(status: int) -> None:
    """One bad edit must not fail forty-nine good ones: each is read and tried again."""
    assert judge(status, sole=False) == InDoubt(status=status, why="batch_refused")


def test_a_throttled_answer_carries_how_long() -> None:
    """The limiter needs it as it came; clamping is the retry's affair."""
    assert judge(429, retry_after_s=7.5) == Throttled(retry_after_s=7.5)


def test_a_rejected_edit_carries_the_error_keys() -> None:
    """They go to the report; the API's texts do not, they may quote the event."""
    assert judge(422, keys=("summary:errors.required",)) == RejectEdit(
        status=422, keys=("summary:errors.required",)
    )


def test_the_reason_of_an_abort_is_one_that_campaigns_know() -> None:
    """The edits that had no turn are told apart from cancelled ones by it."""
    assert PLAN_FEATURE_MISSING in ABORT_REASONS


def test_doubt_without_an_answer_names_its_reason() -> None:
    """Timeouts, resets and unreadable replies have no status."""
    assert in_doubt("timeout") == InDoubt(status=0, why="timeout")


def test_only_a_call_without_a_usable_answer_leaves_its_edits_unanswered() -> None:
    """An entry of a batch that was answered has its answer, bad as it is."""
    assert is_unanswered(in_doubt("timeout", unanswered=True))
    assert not is_unanswered(in_doubt("status", status=500))
    assert not is_unanswered(Accepted())
