"""Walking the tables of transitions in every possible way."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from worker.errors import WrongTransition
from worker.model import (
    CAMPAIGN_TRANSITIONS,
    ENDED,
    FINAL,
    TRANSITIONS,
    CampaignState,
    EditState,
)
from worker.rules import check_campaign, check_edit

S = TypeVar("S", bound=StrEnum)


class EditWalk(RuleBasedStateMachine):
    """An edit that goes along the arrows, tries others, and counts its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.state = EditState.PENDING
        self.visited = [self.state]

    @precondition(lambda self: self.state not in FINAL)
    @rule(choice=st.randoms(use_true_random=False))
    def go(self, choice: object) -> None:
        """Take any arrow there is."""
        arrows = sorted(TRANSITIONS[self.state])
        to = arrows[choice.randrange(len(arrows))]  # type: ignore[attr-defined]
        check_edit(self.state, to)
        self.state = to
        self.visited.append(to)

    @rule(to=st.sampled_from(EditState))
    def try_anything(self, to: EditState) -> None:
        """Every other arrow is refused and leaves the edit where it is."""
        if to not in TRANSITIONS[self.state]:
            with pytest.raises(WrongTransition):
                check_edit(self.state, to)

    @invariant()
    def an_outcome_is_the_last_state(self) -> None:
        """Exactly one outcome (law 2): nothing follows it."""
        finals = [state for state in self.visited if state in FINAL]
        assert finals == ([self.state] if self.state in FINAL else [])

    @invariant()
    def an_accepted_edit_is_never_sent_again(self) -> None:
        """Law 3: after a promise there is only proof or doubt."""
        if EditState.ACCEPTED in self.visited:
            after = self.visited[self.visited.index(EditState.ACCEPTED) + 1 :]
            assert not {EditState.PENDING, EditState.SENDING}.intersection(after)

    @invariant()
    def no_promise_without_an_intent(self) -> None:
        """Law 5: whatever was accepted had been `sending` just before."""
        for before, state in pairwise(self.visited):
            assert state is not EditState.ACCEPTED or before is EditState.SENDING

    def teardown(self) -> None:
        """From anywhere the walk ends, once no attempt is left to go back to pending."""
        steps = 0
        while self.state not in FINAL:
            back = {EditState.PENDING}
            self.state = min(TRANSITIONS[self.state] - back - {EditState.SENDING})
            steps += 1
        assert steps <= len(EditState)


class CampaignWalk(RuleBasedStateMachine):
    """A campaign that goes along the arrows and tries others."""

    def __init__(self) -> None:
        super().__init__()
        self.state = CampaignState.DRAFT

    @rule(to=st.sampled_from(CampaignState))
    def try_anything(self, to: CampaignState) -> None:
        """An arrow is taken, anything else is refused."""
        if to in CAMPAIGN_TRANSITIONS[self.state]:
            check_campaign(self.state, to)
            self.state = to
        else:
            with pytest.raises(WrongTransition):
                check_campaign(self.state, to)

    @invariant()
    def it_can_be_stopped_until_it_has_ended(self) -> None:
        """Whatever it waits for, an operator gets it to an end."""
        if self.state not in ENDED | {CampaignState.CANCELLING}:
            check_campaign(self.state, CampaignState.CANCELLING)
            check_campaign(self.state, CampaignState.FAILED)


TestEditWalk = EditWalk.TestCase
TestCampaignWalk = CampaignWalk.TestCase


def reachable(table: Mapping[S, frozenset[S]], start: S) -> set[S]:
    """Return all states that some walk from a state comes to."""
    found: set[S] = set()
    edge = set(table[start])
    while edge:
        state = edge.pop()
        found.add(state)
        edge |= table[state] - found
    return found


@pytest.mark.parametrize("state", sorted(set(EditState) - FINAL))
def test_every_open_edit_can_end(state: EditState) -> None:
    """No state is a trap."""
    assert reachable(TRANSITIONS, state) & FINAL


@pytest.mark.parametrize("state", sorted(set(CampaignState) - ENDED))
def test_every_open_campaign_can_end(state: CampaignState) -> None:
    """No state is a trap."""
    assert reachable(CAMPAIGN_TRANSITIONS, state) & ENDED


def test_only_trying_again_goes_in_a_circle() -> None:
    """Attempts are counted there, so any walk ends; a second circle would need its own count."""
    circling = {state for state in EditState if state in reachable(TRANSITIONS, state)}
    assert circling == {EditState.PENDING, EditState.SENDING}


def test_only_pausing_and_rescues_go_in_a_circle_for_campaigns() -> None:
    """A person may pause as often as they like, and rescues are counted; nothing else repeats."""
    circling = {state for state in CampaignState if state in reachable(CAMPAIGN_TRANSITIONS, state)}
    assert circling == {
        CampaignState.RUNNING,
        CampaignState.PAUSED,
        CampaignState.SCHEDULED,
        CampaignState.VERIFYING,
    }


def test_every_state_is_reached_from_the_first() -> None:
    """A state without a way to it is a mistake in the table."""
    assert reachable(TRANSITIONS, EditState.PENDING) == set(EditState)
    assert reachable(CAMPAIGN_TRANSITIONS, CampaignState.DRAFT) == set(CampaignState) - {
        CampaignState.DRAFT
    }
