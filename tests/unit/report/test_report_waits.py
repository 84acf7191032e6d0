"""Campaigns that wait for people or for their hours: why, since when, and who lets them go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.report.campaigns import AT, End, a_campaign, a_limiter, a_look, a_store
from worker.model import CampaignState, EditState, Run, Threshold, Window
from worker.report import (
    Snapshot,
    next_step,
    plain_line,
    status_lines,
    status_of,
    told_reason,
    why_it_waits,
)
from worker.report.around import Around
from worker.report.summary import summary_of
from worker.store import AuditRow, Freeze, Store

ALIVE = {"clock": 0.4, "worker:host:1": 0.4}
SINCE = datetime(2126, 6, 1, 11, 30, tzinfo=UTC)
HASH = "ab" * 32
_S = CampaignState
RUNNING = (End(state=EditState.VERIFIED), End(state=EditState.PENDING))
ON_ITS_WAY = (End(state=EditState.ACCEPTED), End(state=EditState.PENDING))
FROZEN = Freeze(actor="boss", reason="incident 4711", at=SINCE)
NIGHT = Window(since=20 * 60, until=6 * 60, tzid="Europe/Paris")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def deed(action: str, *, by: str = "ann", code: str = "", **detail: Any) -> AuditRow:
    """Return an entry of a campaign's own chain."""
    return AuditRow(
        chain="c_1", seq=1, campaign_id="c_1", line_no=None, at=SINCE, actor=by, action=action,
        code=code, detail=msgspec.json.encode(detail).decode(), prev="", digest="",
    )  # fmt: skip


def standing(
    store: Store,
    state: CampaignState,
    why: str = "",
    *,
    ends: tuple[End, ...] = RUNNING,
    deeds: tuple[AuditRow, ...] = (),
    around: dict[str, Any] | None = None,
    **campaign: Any,
) -> Snapshot:
    """Return a look at a campaign in a state, with what a test names of it."""
    look = a_look(store, a_campaign(store, ends), pulses=ALIVE, limiter=a_limiter(), due_s=None)
    return replace(
        look,
        campaign=replace(look.campaign, state=state, state_reason=why, **campaign),
        around=Around(deeds=deeds, **(around or {})),
    )


def paused(store: Store, why: str, *deeds: AuditRow, **more: Any) -> Snapshot:
    """Return a look at a paused campaign."""
    return standing(store, _S.PAUSED, why, deeds=deeds, **more)


# ---------------------------------------------------------------- paused


def test_a_persons_pause_has_name_time_and_reason(store: Store) -> None:
    """Whoever comes next wants to know whom to ask."""
    look = paused(store, "the board meets", deed("campaign.paused", reason="the board meets"))
    assert why_it_waits(look) == "paused by ann since 2126-06-01 11:30Z: the board meets"
    assert next_step(look) == "Let it go on: calpatch resume c_1 --reason TEXT"
    hold = status_of(look).hold
    assert hold is not None
    assert (hold.kind, hold.by, hold.reason) == ("person", "ann", "the board meets")


def test_what_is_in_flight_is_told(store: Store) -> None:
    """A pause stops what has not left; the rest is seen home."""
    look = paused(store, "lunch", deed("campaign.paused"), ends=ON_ITS_WAY)
    assert why_it_waits(look).endswith(": lunch; 1 in flight is still read back")


def test_failures_hold_in_numbers_and_the_next_step_lifts_them(store: Store) -> None:
    """The threshold that is offered is one that the campaign as it is does not reach."""
    said = "2 of 4 edits failed, which is more than 5%"
    held = deed("campaign.held", by="calpatch", code="threshold", reason=said)
    ends = (*[End(state=EditState.FAILED)] * 2, *[End(state=EditState.VERIFIED)] * 2, RUNNING[1])
    look = paused(store, f"held: {said}", held, ends=ends)
    assert why_it_waits(look) == f"held for its failures since 2126-06-01 11:30Z: {said}"
    expected = (
        "See them: calpatch results c_1 --only failed. To go on:"
        " calpatch resume c_1 --reason TEXT --max-failures none"
    )
    assert next_step(look) == expected


@pytest.mark.parametrize(
    ("failed", "tried", "limit", "more"),
    [
        (6, 100, Threshold(), "20%"),
        (4, 100, Threshold(), "10%"),
        (20, 100, Threshold(), "50%"),
        (25, 100, Threshold(), "none"),
        (5, 9, Threshold(percent=None, count=5), "10"),
        (0, 0, Threshold(), "10%"),
    ],
)
def test_the_offered_threshold_leaves_room(
    store: Store, failed: int, tried: int, limit: Threshold, more: str
) -> None:
    """Twice what has failed so far, or it would be held again at the next failure."""
    counts = {(EditState.FAILED, ""): failed, (EditState.VERIFIED, ""): tried - failed}
    look = paused(store, "held: too many", run=Run(max_failures=limit))
    step = next_step(replace(look, counts=counts))
    assert step.endswith(f"--max-failures {more}")


def test_a_canary_that_is_not_proven_holds_the_rest(store: Store) -> None:
    """A person decides whether the rest follows."""
    look = paused(store, "held: canary: 2 of its edits are not proven", deed("campaign.held"))
    expected = "held for its canary since 2126-06-01 11:30Z: 2 of its edits are not proven"
    assert why_it_waits(look) == expected
    assert next_step(look).endswith("To let the rest follow all the same: calpatch resume c_1"
                                    " --reason TEXT")  # fmt: skip


def test_a_freeze_is_told_with_its_own_words(store: Store) -> None:
    """By whom, even where the campaign was submitted into it; and only its end helps."""
    look = paused(store, "frozen: first reason", around={"frozen": FROZEN})
    assert why_it_waits(look) == (
        "everything is frozen by boss since 2126-06-01 11:30Z: incident 4711"
    )
    assert next_step(look) == "End the freeze: calpatch unfreeze --all --reason TEXT"


def test_a_pause_within_a_freeze_names_both_and_one_next_step(store: Store) -> None:
    """To resume would be refused: the freeze comes first."""
    look = paused(store, "lunch", deed("campaign.paused"), around={"frozen": FROZEN})
    assert why_it_waits(look).endswith(": lunch; everything is frozen, by boss: incident 4711")
    assert next_step(look) == "End the freeze: calpatch unfreeze --all --reason TEXT"


def test_a_hold_that_the_audit_does_not_tell_of_has_no_name(store: Store) -> None:
    """Rather than a wrong one."""
    assert why_it_waits(paused(store, "lunch")) == "paused: lunch"
    assert why_it_waits(paused(store, "frozen: over")) == "everything is frozen: over"


# ---------------------------------------------------------------- plans


def awaiting(store: Store, why: str = "", **more: Any) -> Snapshot:
    """Return a look at a plan that waits for its approval, until an hour from now."""
    usual = {"plan_hash": HASH, "expires_at": AT + timedelta(hours=1), "owner": "ann"}
    return standing(store, _S.AWAITING_APPROVAL, why, **(usual | more))


def approval(by: str, plan: str = HASH) -> AuditRow:
    """Return an approval of a plan."""
    return deed("campaign.approved", by=by, plan=plan, reason="looked at it")


def test_a_plan_says_until_when_it_may_be_approved(store: Store) -> None:
    """And what to do first is to look."""
    look = awaiting(store)
    assert why_it_waits(look) == "waiting for approval until Sat 2126-06-01 13:00 UTC (in 1h00m)"
    assert next_step(look) == (
        "Look at it: calpatch show c_1 --diff. Then begin it: calpatch apply c_1 --reason TEXT"
    )
    assert "plan     1 change, sha256:" in "\n".join(status_lines(look))


def test_a_large_plan_says_who_must_approve_it(store: Store) -> None:
    """Not its owner; and an approval of another plan is none."""
    run = Run(second_person_above=0)
    for deeds in ((), (approval("ann"),), (approval("bob", plan="cd" * 32),)):
        look = awaiting(store, run=run, deeds=deeds)
        assert "somebody other than ann must approve it" in why_it_waits(look)
        assert next_step(look).endswith("somebody other than ann: calpatch approve c_1"
                                        " --reason TEXT")  # fmt: skip
    look = awaiting(store, run=run, deeds=(approval("bob"),))
    assert why_it_waits(look).endswith("bob has approved it; it is still to be begun")
    assert next_step(look) == "Begin it: calpatch apply c_1 --reason TEXT"
    assert "approved by bob, 2126-06-01 11:30Z: looked at it" in status_lines(look)
    facts = status_of(look).plan
    assert facts is not None
    assert ([each.by for each in facts.approvals], facts.needs_second_person) == (["bob"], False)


def test_the_summary_keeps_who_approved_what_and_who_stopped_it(store: Store) -> None:
    """Whoever holds the file years later need not ask the database."""
    deeds = (approval("bob"), deed("campaign.cancelling", reason="wrong week"))
    look = standing(
        store, _S.CANCELLED, deeds=deeds, plan_hash=HASH, parent="c_0",
        job="rooms", job_date=date(2126, 6, 1),
    )  # fmt: skip
    kept = msgspec.json.decode(msgspec.json.encode(summary_of(look, files=(), seen={})))
    assert kept["plan"]["plan"] == f"sha256:{HASH}"
    assert [(each["by"], each["reason"]) for each in kept["plan"]["approvals"]] == [
        ("bob", "looked at it")
    ]
    assert (kept["stopped"]["by"], kept["stopped"]["reason"]) == ("ann", "wrong week")
    assert (kept["parent"], kept["job"], kept["job_date"]) == ("c_0", "rooms", "2126-06-01")


@pytest.mark.parametrize(
    ("run", "option"),
    [
        (Run(max_changes=0), " --max-changes 1"),
        (Run(max_people=3), " --max-people N"),
        (Run(), ""),
    ],
)
def test_a_plan_above_its_cap_says_which(store: Store, run: Run, option: str) -> None:
    """The option that lifts it is in the next step."""
    look = awaiting(store, "1 changes are more than the 0 allowed", run=run)
    assert why_it_waits(look).startswith("1 changes are more than the 0 allowed; somebody must")
    assert next_step(look).endswith(f"calpatch apply c_1 --reason TEXT{option}")


def test_a_plan_that_is_over_or_has_no_end(store: Store) -> None:
    """The clock ends it; until then nobody can approve it."""
    look = awaiting(store, expires_at=AT)
    assert why_it_waits(look).startswith("nobody approved it in time")
    assert next_step(look) == "Plan it again"
    endless = replace(look, campaign=replace(look.campaign, expires_at=None))
    assert why_it_waits(endless) == "waiting for approval"


def test_a_frozen_plan_can_only_wait(store: Store) -> None:
    """`apply` would be refused."""
    look = awaiting(store, around={"frozen": FROZEN})
    assert why_it_waits(look).endswith("; everything is frozen, by boss: incident 4711")
    assert next_step(look) == "End the freeze: calpatch unfreeze --all --reason TEXT"


def test_a_plan_that_is_made_tells_how_far_it_is(store: Store) -> None:
    """By the lines it has gone through: none of them has ended yet."""
    look = standing(store, _S.PLANNING, around={"planned": 1})
    assert "planned  1 of 2 edits, 50.0 %" in status_lines(look)
    assert plain_line(look).startswith("planning 1/2 50.0%")
    status = status_of(look)
    assert (status.planned, status.percent, status.counts.done) == (1, 50.0, 1)
    assert next_step(look) == "Follow it: calpatch status c_1 --watch"


# ---------------------------------------------------------------- hours


def test_hours_are_told_on_the_wall_of_their_zone(store: Store) -> None:
    """It is 14:00 in Paris, and the night begins at eight."""
    look = standing(store, _S.SCHEDULED, run=Run(windows=(NIGHT,)))
    said = "outside of its hours, which begin Sat 2126-06-01 20:00 Europe/Paris (in 6h00m)"
    assert why_it_waits(look) == said
    assert "hours    sends 20:00-06:00@Europe/Paris" in status_lines(look)
    hours = status_of(look).hours
    assert hours is not None
    assert hours.windows == ("20:00-06:00@Europe/Paris",)
    assert hours.opens_at == datetime(2126, 6, 1, 18, tzinfo=UTC)


def test_a_time_to_begin_is_told_in_the_zone_of_the_campaigns_days(store: Store) -> None:
    """The file says where it is at home, though a time alone names no zone."""
    spec = '{"select":{"between":{"tzid":"Asia/Tokyo"}}}'
    run = Run(at=AT + timedelta(hours=2), deadline=AT + timedelta(hours=9))
    look = standing(store, _S.SCHEDULED, run=run, spec=spec)
    assert why_it_waits(look) == "scheduled; it begins Sat 2126-06-01 23:00 Asia/Tokyo (in 2h00m)"
    hours = "hours    not before Sat 2126-06-01 23:00 Asia/Tokyo; not after Sun 2126-06-02 06:00"
    assert f"{hours} Asia/Tokyo" in status_lines(look)
    broken = replace(look, campaign=replace(look.campaign, spec="[]"))
    assert "14:00 UTC (in 2h00m)" in why_it_waits(broken)


def test_hours_that_never_come_are_an_end(store: Store) -> None:
    """To follow it would be to wait for nothing."""
    run = Run(windows=(NIGHT,), deadline=AT + timedelta(hours=1))
    look = standing(store, _S.SCHEDULED, run=run)
    assert why_it_waits(look).startswith("its hours never come before its deadline, Sat 2126")
    assert "calpatch cancel c_1" in next_step(look)


def test_hours_that_have_come_need_the_clock(store: Store) -> None:
    """It is the one part that can open them."""
    look = standing(store, _S.SCHEDULED, run=Run(quiet=(NIGHT,)))
    assert why_it_waits(look) == "its hours have come; the clock (`calpatch beat`) lets it go on"
    assert "hours    quiet 20:00-06:00@Europe/Paris" in status_lines(look)
    silent = replace(look, pulses={"worker:host:1": 1.0})
    assert why_it_waits(silent).endswith("no sign of life for 30 s: is `calpatch beat` running?")
    assert next_step(silent) == "Start what is missing: calpatch beat"


# ---------------------------------------------------------------- its end before its end


@pytest.mark.parametrize(
    ("state", "why", "deeds", "told"),
    [
        (_S.CANCELLED, "wrong week", (deed("campaign.cancelling"),),
         ("cancelled by ann, 2126-06-01 11:30Z: wrong week", "wrong week")),
        (_S.CANCELLED, "plan_rejected: wrong rooms", (deed("campaign.rejected"),),
         ("rejected by ann, 2126-06-01 11:30Z: wrong rooms", "rejected: wrong rooms")),
        (_S.CANCELLED, "deadline_passed", (), ("its deadline has passed",) * 2),
        (_S.EXPIRED, "plan_expired", (), ("nobody approved its plan in time",) * 2),
        (_S.FAILED, "plan_feature_missing", (deed("campaign.aborted"),),
         ("the application's Cronofy plan lacks what editing needs (402)",) * 2),
        (_S.CANCELLED, "", (), ("cancelled", "")),
        (_S.COMPLETED, "lunch", (), ("", "")),
    ],
)  # fmt: skip
def test_an_end_before_the_end_says_who_and_why(
    store: Store, state: CampaignState, why: str, deeds: tuple[AuditRow, ...], told: tuple[str, str]
) -> None:
    """A code is for machines; a pause of before the end is no news after it."""
    look = standing(store, state, why, deeds=deeds)
    assert (why_it_waits(look), told_reason(look.campaign)) == told


def test_what_is_being_cancelled_tells_what_is_still_out(store: Store) -> None:
    """Its end is near, and nobody needs to do anything."""
    look = standing(
        store, _S.CANCELLING, "wrong week", deeds=(deed("campaign.cancelling"),), ends=ON_ITS_WAY
    )
    said = "being cancelled by ann since 2126-06-01 11:30Z: wrong week; 1 in flight is still"
    assert why_it_waits(look).startswith(said)
    assert next_step(look) == "Follow it: calpatch status c_1 --watch"


def test_after_a_stop_the_next_step_says_whether_anything_was_changed(store: Store) -> None:
    """A rejected plan has touched nobody's calendar."""
    look = standing(store, _S.CANCELLED, "wrong week")
    assert next_step(look) == "See what was done before: calpatch results c_1"
    untouched = replace(look, counts={(EditState.NOT_ATTEMPTED, "plan_rejected"): 2})
    assert next_step(untouched).startswith("Nothing was changed; calpatch results c_1")


# ---------------------------------------------------------------- on its way


def test_a_canary_is_told_while_others_wait_for_it(store: Store) -> None:
    """In the text, in the line of a log, and as data."""
    look = standing(store, _S.RUNNING, run=Run(canary=5), around={"behind_canary": 43})
    assert "canary   1 of 5 proven; 43 wait for it" in status_lines(look)
    assert "canary: 1 of 5 proven; 43 wait for it" in plain_line(look)
    canary = status_of(look).canary
    assert canary is not None
    assert (canary.edits, canary.proven, canary.waiting) == (5, 1, 43)


@pytest.mark.parametrize("state", [_S.PAUSED, _S.SCHEDULED, _S.AWAITING_APPROVAL])
def test_what_sends_nothing_has_no_time_to_go(store: Store, state: CampaignState) -> None:
    """Nobody knows when somebody will let it go on."""
    look = replace(standing(store, state, run=Run(windows=(NIGHT,))), calls_left=350)
    assert status_of(look).eta_s is None
    assert "ETA" not in plain_line(look)


@pytest.mark.parametrize(
    ("run", "eta_s"),
    [
        (Run(), 60.0), (Run(share=0.5), 120.0), (Run(max_rps=1), 350.0),
        (Run(share=0.1, max_rps=100), 600.0),
    ],
)  # fmt: skip
def test_a_campaign_that_asks_for_less_takes_longer(store: Store, run: Run, eta_s: float) -> None:
    """The time to go is by its own limit; what is used is told of the limit of all."""
    look = replace(standing(store, _S.RUNNING, run=run), calls_left=350)
    assert look.eta_s == eta_s
    assert "12/min of 350" in plain_line(look)


def test_what_is_tuned_is_shown_and_what_is_usual_is_not(store: Store) -> None:
    """JSON has all of it."""
    run = Run(share=0.5, batch_size=10, max_failures=Threshold(percent=None, count=7))
    look = standing(store, _S.RUNNING, run=run)
    assert "tuned    share=50%, batch=10, max-failures=7" in status_lines(look)
    status = status_of(look)
    assert status.tuning["max-rps"] == "none"
    assert status.held_if == "7 in all, or 10 in a row with one code"
    usual = replace(look, campaign=replace(look.campaign, run=Run()))
    assert not any(line.startswith("tuned") for line in status_lines(usual))


def test_kin_is_told_both_ways(store: Store) -> None:
    """What undoes a campaign, and what it tries again."""
    look = standing(store, _S.COMPLETED)
    undo = replace(look.campaign, id="c_2", key="undo", kind="undo", parent="c_1")
    found = replace(look, around=Around(children=(undo,)))
    assert "kin      undone by c_2, completed" in status_lines(found)
    assert [each.campaign for each in status_of(found).children] == ["c_2"]
    child = replace(look, campaign=replace(undo, kind="retry"))
    assert "kin      tries again what was left of c_1" in status_lines(child)
    assert status_of(child).parent == "c_1"


@pytest.mark.parametrize(
    "state",
    [_S.PLANNING, _S.AWAITING_APPROVAL, _S.SCHEDULED, _S.RUNNING, _S.PAUSED, _S.VERIFYING,
     _S.CANCELLING, _S.CANCELLED, _S.EXPIRED, _S.FAILED, _S.COMPLETED],
)  # fmt: skip
def test_json_has_what_the_text_has_in_every_state(store: Store, state: CampaignState) -> None:
    """features §2, 8: a pipeline must not be told less than a person."""
    deeds = (deed("campaign.paused"), deed("campaign.cancelling"), approval("bob"))
    look = standing(
        store, state, "because", deeds=deeds, plan_hash=HASH, run=Run(windows=(NIGHT,), canary=3),
        around={"behind_canary": 4, "frozen": FROZEN},
    )  # fmt: skip
    data = msgspec.json.encode(status_of(look)).decode()
    for line in status_lines(look):
        label, _, said = line.partition(" ")
        if label in {"why", "next"}:
            assert said.strip() in msgspec.json.decode(data).values()
    for word in ("20:00-06:00@Europe/Paris", "looked at it", HASH, '"waiting":4'):
        assert word in data
