"""A plan in figures and in a few lines: what is true of a campaign in each of its states."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from tests.unit.report.campaigns import ONE_OF_EACH, PACE, End, a_campaign, a_store
from tests.unit.report.outcomes import AT, an_outcome, at
from worker.model import ENDED, CampaignState, Code, EditState, Policy
from worker.report import Pace
from worker.report.headline import headline
from worker.report.plan import PlanView, totals_of, view_of
from worker.report.standing import next_step, standing
from worker.report.tally import Tally, Totals
from worker.store import Approval, Store

NOW = datetime(2126, 6, 1, 12, tzinfo=UTC)
_S = CampaignState


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def a_view(store: Store, ends: tuple[End, ...] = ONE_OF_EACH, **changed: Any) -> PlanView:
    """Return a campaign's figures, with what a test names put in."""
    campaign = store.campaigns.get("c_1") or a_campaign(store, ends)
    totals = totals_of(store, campaign)
    view = view_of(store, campaign, totals, pace=PACE, chunk_size=200)
    changed_view: PlanView = replace(view, **changed)
    return changed_view


def said(view: PlanView) -> str:
    """Return a plan's few lines as one text."""
    return "\n".join(headline(view, now=NOW))


# ------------------------------------------------------------------- figures


def test_the_counts_add_up_to_all_lines(store: Store) -> None:
    """Law 2, for people who only read the head."""
    view = a_view(store)
    assert sum(view.by_status.values()) == view.total == len(ONE_OF_EACH)
    assert sum(view.by_code.values()) == len(ONE_OF_EACH)
    assert {*view.meanings} == {*view.by_code} | {*view.warnings}


def test_of_a_pruned_campaign_the_counts_are_left(store: Store) -> None:
    """Its lines are gone, and the head does not say that there were none."""
    a_campaign(store, ONE_OF_EACH)
    with store.database.begin() as connection:
        connection.execute(text("UPDATE campaigns SET finished_at = '2020-01-01 00:00:00.000000'"))
    store.pruning.prune(images_s=1.0, outcomes_s=1.0, actor="test")
    view = a_view(store)
    assert view.pruned_at is not None
    assert sum(view.by_status.values()) == view.total
    assert "its lines were pruned on" in said(view)
    assert next_step(view, now=NOW) == ""


def test_what_was_erased_is_said_to_be_left_blank(store: Store) -> None:
    """Else an empty list of changes would look like nothing to change."""
    a_campaign(store, (End(state=EditState.VERIFIED, code=Code.VERIFIED),) * 2)
    store.erasing.erase("acc_1", actor="test")
    assert "what is stored of 2 events is gone (erased or pruned), and left blank" in said(
        a_view(store)
    )


def test_a_plan_costs_what_is_left_to_do(store: Store) -> None:
    """Now, and at a limit that was raised; what has ended costs nothing any more."""
    view = a_view(store, (End(state=EditState.PENDING),) * 3)
    planned = replace(view, state="awaiting_approval")
    assert view.cost.calls == 4  # calendars, a page, a batch, a proof
    assert (view.cost.per_minute, view.cost.raised_per_minute) == (350.0, 3500.0)
    assert "about 4 calls to do it, as the limit counts: 1s at 350 a minute, 1s at 3,500" in said(
        planned
    )
    free = view_of(
        store, store.campaigns.get("c_1") or a_campaign(store, ()), Totals(policy=Policy(), at=AT),
        pace=Pace(granted_per_min=None, batch_size=50, batch_counts_as="one"), chunk_size=200,
    )  # fmt: skip
    assert "no limit is set" in said(replace(free, state="awaiting_approval"))
    assert "about" not in said(a_view(store, state="running"))


def test_loads_are_counted_by_the_database(store: Store) -> None:
    """Of a million accounts, the memory of a report holds none."""
    ends = [End(state=EditState.PENDING, account=f"acc_{n}") for n in (1, 1, 2, 2, 3)]
    a_campaign(store, [*ends, End(state=EditState.SKIPPED, code=Code.RECURRING)])
    assert store.reading.pending_loads("c_1") == [(1, 1), (2, 2)]


def test_people_count_once_for_each_event_and_only_where_something_changes() -> None:
    """As many mails may be sent; a conflict sends none."""
    totals = Totals(policy=Policy(internal_domains=("acme.com",)), at=AT)
    images = at("2026-03-02T13:00", organizer="ann@acme.com"), at("2026-03-02T14:00")
    for state in (EditState.PENDING, EditState.VERIFIED, EditState.CONFLICT):
        totals.add(an_outcome(*images, state=state, people=3, externals=1))
    totals.add(an_outcome())
    assert (totals.people, totals.externals) == (6, 2)
    assert totals.by_status == Counter(change=1, verified=1, conflict=1, waiting=1)
    assert totals.days.by_name() == [("2026-03-02", 2)]
    assert totals.organizers.by_name() == [("ann@acme.com", 2)]


def test_a_tally_keeps_its_bound_and_loses_nothing() -> None:
    """A million organizers fit into no memory; their number does."""
    tally = Tally(most=3)
    for number in range(1000):
        tally.add(f"name {number % 10}")
    assert tally.total == 1000
    assert tally.by_name() == [("name 0", 100), ("name 1", 100), ("name 2", 100), ("others", 700)]
    assert tally.by_count(most=1) == [("name 0", 100), ("others", 900)]


# ------------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("changed", "words", "step"),
    [
        (
            {"state": _S.PLANNING, "by_status": {"waiting": 3, "skipped": 5}},
            "being planned: 5 of 8 events looked at; nothing is sent",
            "Follow it: calpatch status c_1 --watch",
        ),
        (
            {"state": _S.AWAITING_APPROVAL, "expires_at": NOW + timedelta(hours=1)},
            "waits for approval, until 2126-06-01 13:00Z; nothing was sent",
            "Do it: calpatch apply c_1 --reason TEXT",
        ),
        (
            {"state": _S.AWAITING_APPROVAL, "state_reason": "more than allowed"},
            "waits for approval; nothing was sent (more than allowed)",
            "Do it: calpatch apply c_1 --reason TEXT",
        ),
        (
            {"state": _S.AWAITING_APPROVAL, "changes": 9, "second_person_above": 5},
            "waits for a second person's approval; nothing was sent",
            "Have somebody else agree: calpatch approve c_1 --reason TEXT",
        ),
        (
            {"state": _S.AWAITING_APPROVAL, "expires_at": NOW - timedelta(hours=1)},
            "nobody approved it until 2126-06-01 11:00Z; nothing was sent",
            "Plan it again: calpatch plan FILE",
        ),
        (
            {"state": _S.EXPIRED, "state_reason": "plan_expired", "by_status": {}},
            "nobody approved it in time; nothing was sent",
            "Plan it again: calpatch plan FILE",
        ),
        (
            {
                "state": _S.CANCELLED, "state_reason": "plan_rejected: wrong rooms",
                "by_status": {"not_attempted": 8},
            },
            "rejected: wrong rooms; nothing was sent",
            "",
        ),
        (
            {"state": _S.CANCELLED, "state_reason": "enough"},
            "cancelled: enough",
            "All of it in files: calpatch results c_1",
        ),
        (
            {"state": _S.CANCELLING, "state_reason": "deadline_passed"},
            "stopped, since its deadline came; what has been sent is still read back",
            "Follow it: calpatch status c_1 --watch",
        ),
        (
            {"state": _S.FAILED, "state_reason": ""}, "failed",
            "All of it in files: calpatch results c_1",
        ),
        (
            {"state": _S.PAUSED, "state_reason": "held: canary: no proof"},
            "paused: held: canary: no proof",
            "Let it go on: calpatch resume c_1 --reason TEXT",
        ),
        (
            {"state": _S.SCHEDULED},
            "begun, and waits for its time",
            "Follow it: calpatch status c_1 --watch",
        ),
        (
            {"state": _S.RUNNING},
            "begun, and being carried out",
            "Follow it: calpatch status c_1 --watch",
        ),
        (
            {"state": _S.COMPLETED, "by_status": {"unchanged": 8}},
            "done: there was nothing to change",
            "",
        ),
        (
            {"state": _S.COMPLETED, "finished_at": NOW},
            "done on 2126-06-01 12:00Z",
            "All of it in files: calpatch results c_1",
        ),
        (
            {"state": _S.COMPLETED_WITH_ERRORS, "finished_at": NOW},
            "done on 2126-06-01 12:00Z, with edits that need attention",
            "See what needs attention: calpatch show c_1 --only attention",
        ),
    ],
)  # fmt: skip
def test_where_a_plan_stands(store: Store, changed: dict[str, Any], words: str, step: str) -> None:
    """Whatever became of it, the head says something true, and what to do."""
    view = a_view(store, **changed | {"state": str(changed["state"])})
    assert standing(view, now=NOW) == words
    assert next_step(view, now=NOW) == step


@pytest.mark.parametrize("state", list(CampaignState))
def test_every_state_has_its_sentence(store: Store, state: CampaignState) -> None:
    """A state that was forgotten would be told as another one."""
    view = a_view(store, state=str(state))
    assert standing(view, now=NOW)
    assert next_step(view, now=NOW) or state not in ENDED


def test_a_campaign_without_a_plan_says_so(store: Store) -> None:
    """There is no hash, nobody approved it, and nobody counted its guests."""
    shown = said(a_view(store))
    assert shown.startswith("Campaign c_1  key-c_1  (New office hours)\n")
    assert "it was submitted to be carried out at once, without a plan to agree to" in shown
    assert "sha256" not in shown
    assert "  mail  " not in shown


def test_an_undo_names_what_it_undoes(store: Store) -> None:
    """Its own id says nothing to whoever is to approve it."""
    view = a_view(store, kind="undo", parent="c_0", state="awaiting_approval")
    assert said(view).startswith("Undo c_1 of c_0  key-c_1")


def test_who_approved_is_told(store: Store) -> None:
    """With the reason that they gave."""
    approval = Approval(actor="bob", at=NOW, reason="looked at it")
    assert "agreed   bob, 2126-06-01 12:00Z: looked at it" in said(
        a_view(store, approvals=(approval,))
    )


def test_externals_are_told_only_where_somebody_is_internal(store: Store) -> None:
    """Nought would be read as nobody, where nobody was asked."""
    view = a_view(store, people=12, state="awaiting_approval")
    assert "up to 12 people may be notified, once for each event\n" in said(view)
    known = replace(view, externals=5, internal_domains=("acme.com", "acme.fr"))
    assert "once for each event; 5 of them are not of acme.com, acme.fr" in said(known)
    over = replace(view, people=1, state="completed")
    assert "up to 1 person may have been notified" in said(over)


def test_warnings_come_with_their_sentence(store: Store) -> None:
    """The name alone is for programs."""
    shown = said(a_view(store, warnings={"conference_link": 1234}))
    assert "  warn     1,234  conference_link  The event has a conference link" in shown
