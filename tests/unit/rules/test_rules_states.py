"""States: the arrows, and how a campaign ends."""

from __future__ import annotations

import pytest

from worker.errors import WrongTransition
from worker.model import CampaignState, Code, EditState
from worker.rules import (
    adds_up,
    check_campaign,
    check_edit,
    final_campaign_state,
    stopped_code,
    stopped_state,
)


def test_an_edit_follows_the_arrows() -> None:
    """The way of an ordinary edit."""
    check_edit(EditState.PENDING, EditState.SENDING)
    check_edit(EditState.SENDING, EditState.ACCEPTED)
    check_edit(EditState.ACCEPTED, EditState.VERIFIED)


@pytest.mark.parametrize(
    ("from_", "to"),
    [
        (EditState.PENDING, EditState.ACCEPTED),
        (EditState.SENDING, EditState.NOT_ATTEMPTED),
        (EditState.ACCEPTED, EditState.PENDING),
        (EditState.VERIFIED, EditState.PENDING),
        (EditState.PENDING, EditState.PENDING),
    ],
)
def test_other_ways_are_refused_by_name(from_: EditState, to: EditState) -> None:
    """Above all: nothing accepted is ever sent again."""
    with pytest.raises(WrongTransition, match=f"from {from_} to {to}"):
        check_edit(from_, to)


def test_a_campaign_follows_the_arrows_only() -> None:
    """Completed is the end; a retry is a new campaign."""
    check_campaign(CampaignState.RUNNING, CampaignState.PAUSED)
    with pytest.raises(WrongTransition, match="from completed to running"):
        check_campaign(CampaignState.COMPLETED, CampaignState.RUNNING)


@pytest.mark.parametrize(
    "state",
    [EditState.FAILED, EditState.MISMATCH, EditState.CONFLICT, EditState.UNVERIFIED],
)
def test_one_bad_outcome_is_an_error(state: EditState) -> None:
    """A green end that hides one failure is worse than a red one (features §2, 12)."""
    assert (
        final_campaign_state({EditState.VERIFIED: 999, state: 1})
        is CampaignState.COMPLETED_WITH_ERRORS
    )


def test_skipped_and_unchanged_edits_are_no_errors() -> None:
    """They ended as the rules say; and a count of zero is none."""
    counts = {
        EditState.VERIFIED: 1,
        EditState.SKIPPED: 2,
        EditState.UNCHANGED: 3,
        EditState.NOT_ATTEMPTED: 4,
        EditState.FAILED: 0,
        EditState.PENDING: 0,
    }
    assert final_campaign_state(counts) is CampaignState.COMPLETED
    assert final_campaign_state({}) is CampaignState.COMPLETED


def test_edits_that_were_not_to_be_proven_are_no_errors() -> None:
    """A campaign without verification does not end red because it did as it was told."""
    counts = {EditState.UNVERIFIED: 3, EditState.SKIPPED: 1}
    assert final_campaign_state(counts, no_proof_asked=3) is CampaignState.COMPLETED
    assert final_campaign_state(counts, no_proof_asked=2) is CampaignState.COMPLETED_WITH_ERRORS


def test_a_campaign_with_open_edits_is_not_complete() -> None:
    """Marked complete after an exception: seen elsewhere, refused here (features §2, 30)."""
    with pytest.raises(WrongTransition, match="open edits"):
        final_campaign_state({EditState.VERIFIED: 1, EditState.SENDING: 1})


@pytest.mark.parametrize(
    ("total", "counts", "is_right"),
    [
        (0, {}, True),
        (3, {EditState.VERIFIED: 2, EditState.SKIPPED: 1}, True),
        (3, {EditState.VERIFIED: 2}, False),
        (1, {EditState.VERIFIED: 2}, False),
        (3, {EditState.VERIFIED: 2, EditState.PENDING: 1}, False),
        (2, {EditState.VERIFIED: 2, EditState.PENDING: 1}, False),
    ],
)
def test_every_line_has_one_outcome(
    total: int, counts: dict[EditState, int], is_right: bool
) -> None:
    """Law 2 as a sum."""
    assert adds_up(total, counts) is is_right


@pytest.mark.parametrize(
    ("why", "state", "code"),
    [
        ("plan_feature_missing", CampaignState.FAILED, Code.CAMPAIGN_FAILED),
        ("plan_expired", CampaignState.EXPIRED, Code.PLAN_EXPIRED),
        ("plan_rejected: too many", CampaignState.CANCELLED, Code.PLAN_REJECTED),
        ("deadline_passed", CampaignState.CANCELLED, Code.DEADLINE_PASSED),
        ("the wrong week", CampaignState.CANCELLED, Code.CAMPAIGN_CANCELLED),
        ("", CampaignState.CANCELLED, Code.CAMPAIGN_CANCELLED),
    ],
)
def test_a_campaign_that_is_stopped_says_why(why: str, state: CampaignState, code: Code) -> None:
    """By its state, and by the code of each edit that had no turn."""
    assert (stopped_state(why), stopped_code(why)) == (state, code)
