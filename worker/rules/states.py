"""Which states may follow which, and what the counts of final ones say about a campaign."""

from __future__ import annotations

from collections.abc import Mapping

from worker.errors import WrongTransition
from worker.model import (
    ABORT_REASONS,
    CAMPAIGN_TRANSITIONS,
    DEADLINE_PASSED,
    FINAL,
    PLAN_EXPIRED,
    PLAN_REJECTED,
    TRANSITIONS,
    CampaignState,
    Code,
    EditState,
)

#: Outcomes after which a campaign is completed "with errors".
ERRORS = frozenset({EditState.FAILED, EditState.MISMATCH, EditState.CONFLICT, EditState.UNVERIFIED})


def check_edit(from_: EditState, to: EditState) -> None:
    """Raise WrongTransition unless an edit may go from one state to the other."""
    if to not in TRANSITIONS[from_]:
        raise WrongTransition(f"an edit does not go from {from_} to {to}")


def check_campaign(from_: CampaignState, to: CampaignState) -> None:
    """Raise WrongTransition unless a campaign may go from one state to the other."""
    if to not in CAMPAIGN_TRANSITIONS[from_]:
        raise WrongTransition(f"a campaign does not go from {from_} to {to}")


def final_campaign_state(
    counts: Mapping[EditState, int], *, no_proof_asked: int = 0
) -> CampaignState:
    """Return the state in which a campaign ends, computed from its edits alone.

    `no_proof_asked` is how many of the unverified ones the campaign itself asked not to prove;
    these are no errors. Raises WrongTransition while an edit is open: a campaign is never complete
    by assertion.
    """
    if any(count for state, count in counts.items() if state not in FINAL):
        raise WrongTransition("a campaign with open edits is not complete")
    if sum(counts.get(state, 0) for state in ERRORS) > no_proof_asked:
        return CampaignState.COMPLETED_WITH_ERRORS
    return CampaignState.COMPLETED


def stopped_state(why: str) -> CampaignState:
    """Return the state in which a campaign ends that was stopped for this reason."""
    if why in ABORT_REASONS:
        return CampaignState.FAILED
    return CampaignState.EXPIRED if why == PLAN_EXPIRED else CampaignState.CANCELLED


def stopped_code(why: str) -> Code:
    """Return the code of edits that had no turn when their campaign was stopped for this reason.

    What a person says stands behind a colon.
    """
    known = {
        PLAN_EXPIRED: Code.PLAN_EXPIRED,
        PLAN_REJECTED: Code.PLAN_REJECTED,
        DEADLINE_PASSED: Code.DEADLINE_PASSED,
    }
    if why in ABORT_REASONS:
        return Code.CAMPAIGN_FAILED
    return known.get(why.partition(":")[0], Code.CAMPAIGN_CANCELLED)


def adds_up(total: int, counts: Mapping[EditState, int]) -> bool:
    """Tell whether every input line has exactly one outcome (law 2); open edits do not add up."""
    outcomes = sum(count for state, count in counts.items() if state in FINAL)
    return outcomes == total == sum(counts.values())
