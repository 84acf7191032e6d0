"""What follows an answer: when an edit is tried again, and as what it ends otherwise."""

from __future__ import annotations

import pytest

from worker.model import TRANSITIONS, Code, EditState
from worker.rules import (
    BATCH_REFUSED,
    NOT_SENT,
    AbortCampaign,
    Accepted,
    Answer,
    Doubted,
    Ended,
    InDoubt,
    NotTaken,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Taken,
    Throttled,
    Verdict,
    backoff_s,
    is_refused_batch,
    may_repeat_at_once,
    next_try,
    spared,
)

DOUBT = InDoubt(status=503, why="status")


def tried(answer: Answer, *, attempts: int = 1, roll: float = 0.5) -> Verdict:
    """Return what follows an answer where reads settle within five seconds."""
    return next_try(answer, attempts=attempts, settle_s=5.0, roll=roll)


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 64.0), (7, 64.0), (10_000, 64.0)],
)
def test_backoff_doubles_up_to_its_cap(attempts: int, longest: float) -> None:
    """Full jitter: evenly from nothing to the bound, so that retries do not march in step."""
    assert backoff_s(attempts, roll=0.0) == 0.0
    assert backoff_s(attempts, roll=0.5) == longest / 2


def test_an_accepted_edit_is_taken() -> None:
    """A promise: the proof comes later."""
    assert tried(Accepted()) == Taken()


@pytest.mark.parametrize(("attempts", "after_s"), [(1, 5.0), (4, 8.0), (6, 32.0)])
def test_doubt_waits_for_reads_to_settle_and_backs_off(attempts: int, after_s: float) -> None:
    """A read that comes too early shows the old state and proves nothing."""
    expected = Doubted(after_s=after_s, status=503, why="status")
    assert tried(DOUBT, attempts=attempts) == expected


def test_doubt_without_an_answer_has_no_status() -> None:
    """0 is our word for no answer, not one of the API's."""
    assert tried(InDoubt(status=0, why="timeout")) == Doubted(
        after_s=5.0, status=None, why="timeout"
    )


@pytest.mark.parametrize("attempts", [1, 5, 500])
def test_doubt_is_never_given_up_unread(attempts: int) -> None:
    """However often: the edit may have been taken, and only a read can tell (law 5)."""
    assert isinstance(tried(DOUBT, attempts=attempts), Doubted)


def test_what_never_left_uses_up_no_attempt_and_needs_no_read() -> None:
    """A refused connection is nobody's fault; the breaker finds out whether anybody is there."""
    answer = InDoubt(status=0, why=NOT_SENT, unanswered=True)
    assert tried(answer, attempts=3) == NotTaken(attempts=2, after_s=4.0)


@pytest.mark.parametrize(("attempts", "left"), [(5, 4), (2, 1), (1, 1)])
def test_an_outage_gives_the_attempt_back_but_not_the_first(attempts: int, left: int) -> None:
    """However often the API goes away amid a write: only with none would it look unsent."""
    assert spared(attempts) == left


@pytest.mark.parametrize("attempts", [1, 5, 500])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Throttled(retry_after_s=30.0), 429),
        (Throttled(), 429),
        (Reauthenticate(), 401),
        (InDoubt(status=422, why=BATCH_REFUSED), 422),
    ],
)
def test_a_refusal_that_is_not_the_edits_fault_uses_up_no_attempt(
    answer: Answer, status: int, attempts: int
) -> None:
    """Waiting is not failing (law 7), and neither is another edit's fault in the same batch."""
    expected = NotTaken(attempts=attempts - 1, status=status)
    assert tried(answer, attempts=attempts) == expected
    assert may_repeat_at_once(answer)


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (
            SkipEdit(code=Code.PERMISSION_MISSING, status=403),
            Ended(state=EditState.SKIPPED, code=Code.PERMISSION_MISSING, status=403),
        ),
        (
            ParkAccount(code=Code.ACCOUNT_LOCKED, status=423),
            Ended(state=EditState.SKIPPED, code=Code.ACCOUNT_LOCKED, status=423),
        ),
        (
            RejectEdit(status=422, keys=("summary", "start")),
            Ended(
                state=EditState.FAILED, code=Code.REJECTED, status=422, error_key="summary,start"
            ),
        ),
        (
            AbortCampaign(code="plan_feature_missing", status=402),
            Ended(
                state=EditState.FAILED,
                code=Code.REJECTED,
                status=402,
                error_key="plan_feature_missing",
            ),
        ),
    ],
)
def test_a_refusal_is_final_at_the_first_attempt(answer: Answer, end: Ended) -> None:
    """Sending the same bytes again would get the same answer."""
    assert tried(answer) == end
    assert not may_repeat_at_once(answer)
    assert end.state in TRANSITIONS[EditState.SENDING]


def test_only_a_batch_is_refused_as_a_batch() -> None:
    """Anything else says something of the edit itself."""
    assert is_refused_batch(InDoubt(status=422, why=BATCH_REFUSED))
    assert not is_refused_batch(DOUBT)
    assert not is_refused_batch(RejectEdit(status=422))
