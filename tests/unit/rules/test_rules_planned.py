"""Carrying a plan out: what was planned against the event as it is, and who wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import KEY, NOW, a_calendar, a_policy, all_day, an_event, an_image, timed
from worker.model import (
    AddText,
    Code,
    Event,
    Image,
    InZone,
    Lasting,
    Op,
    Patch,
    Policy,
    Replace,
    Reschedule,
    SetText,
    Shift,
    ToTime,
)
from worker.rules import (
    Change,
    Conflict,
    Decision,
    Skip,
    Unchanged,
    Wanted,
    carry_out,
    changed,
    decide,
)

PARIS = "Europe/Paris"
BEFORE = an_image()
SHIFT = Patch(move=Shift(days=1))
RETITLE = Patch(summary="Review")
MOVED = timed("2026-06-04T09:00")
CHANGED = Code.CHANGED_ELSEWHERE


def carried(
    patch: Patch,
    now: Image,
    *,
    before: Image = BEFORE,
    on_conflict: str = "skip",
    event: Event | None = None,
    **more: Any,
) -> Decision:
    """Plan a patch, then carry the plan out on the event as it is now."""
    policy = a_policy(on_conflict=on_conflict, **more)
    wanted = Wanted(patch=patch, key=KEY)
    about: dict[str, Any] = {"calendar": a_calendar(), "policy": policy, "now": NOW}
    plan = decide(wanted, an_event(image=before), **about)
    assert isinstance(plan, Change)
    shown = event or an_event(image=now)
    return carry_out(plan.before, plan.target, wanted=wanted, event=shown, **about)


def becomes(patch: Patch, now: Image, **more: Any) -> Image:
    """Return what an event becomes by a plan; the change is of that event, and names its fields."""
    answer = carried(patch, now, **more)
    assert isinstance(answer, Change)
    assert answer.before == now
    assert answer.fields == changed(now, answer.target) != ()
    return answer.target


# ---------------------------------------------------------------- nobody is in the way


def test_a_plan_is_carried_out_on_the_event_that_was_planned() -> None:
    """The very target that was approved."""
    assert carried(SHIFT, BEFORE) == Change(
        before=BEFORE, target=an_image(timed("2026-06-03T09:00")), fields=("start", "end")
    )


@pytest.mark.parametrize("on_conflict", ["skip", "rebase", "force"])
def test_what_people_changed_in_other_fields_goes_out_with_their_value(on_conflict: str) -> None:
    """Whatever the campaign says of conflicts: this is none."""
    now = an_image(location="Room 9", description="", transparency="transparent", conference=True)
    assert becomes(SHIFT, now, on_conflict=on_conflict) == an_image(
        timed("2026-06-03T09:00"),
        location="Room 9",
        description="",
        transparency="transparent",
        conference=True,
    )
    assert becomes(RETITLE, an_image(MOVED), on_conflict=on_conflict) == an_image(
        MOVED, summary="Review"
    )
    assert becomes(RETITLE, an_image(all_day()), on_conflict=on_conflict) == an_image(
        all_day(), summary="Review"
    )


def test_a_move_keeps_the_zone_that_somebody_chose_since() -> None:
    """The instants were approved; what they are shown in is not ours."""
    now = an_image(timed(tzid="Asia/Tokyo"))
    assert becomes(SHIFT, now, before=an_image(timed(tzid=PARIS))) == an_image(
        timed("2026-06-03T09:00", tzid="Asia/Tokyo")
    )


def test_a_zone_leaves_the_times_that_somebody_chose_since() -> None:
    """As above, the other way round."""
    patch = Patch(ops=(InZone(tzid=PARIS),))
    assert becomes(patch, an_image(MOVED)) == an_image(timed("2026-06-04T09:00", tzid=PARIS))


@pytest.mark.parametrize(
    "now",
    [
        an_image(timed("2026-06-03T09:00"), summary="Review"),
        an_image(timed("2026-06-03T09:00", tzid=PARIS), summary="Review\n", location="Room 9"),
    ],
)
def test_what_is_there_already_is_left_alone(now: Image) -> None:
    """Somebody did by hand what was planned."""
    assert carried(Patch(move=Shift(days=1), summary="Review"), now) == Unchanged()


def test_another_spelling_does_not_ride_along() -> None:
    """The title goes out with each edit, and shall be the event's own where it means the same."""
    patch = Patch(summary="Review", location="Room 5")
    assert becomes(patch, an_image(summary=" Review\r\n")) == an_image(
        summary=" Review\r\n", location="Room 5"
    )


def test_what_is_there_in_part_gets_the_rest() -> None:
    """Nobody's change is lost by it."""
    patch = Patch(summary="Review", location="Room 5")
    assert becomes(patch, an_image(location="Room 5")) == an_image(
        summary="Review", location="Room 5"
    )


# ---------------------------------------------------------------- somebody is


@pytest.mark.parametrize(
    ("patch", "now", "fields"),
    [
        (SHIFT, an_image(MOVED), ("start", "end")),
        (SHIFT, an_image(timed(minutes=90)), ("end",)),
        (SHIFT, an_image(all_day()), ("start", "end")),
        (Patch(ops=(Lasting(seconds=60),)), an_image(timed("2026-06-02T08:30")), ("start", "end")),
        (RETITLE, an_image(summary="Retro"), ("summary",)),
        (Patch(ops=(InZone(tzid=PARIS),)), an_image(timed(tzid="Asia/Tokyo")), ("zone",)),
        (Patch(ops=(InZone(tzid=PARIS),)), an_image(all_day()), ("zone",)),
        (
            Patch(summary="Review", location="Room 5"),
            an_image(summary="Retro", location="Room 5"),
            ("summary",),
        ),
    ],
)
def test_what_people_changed_in_our_fields_is_a_conflict(
    patch: Patch, now: Image, fields: tuple[str, ...]
) -> None:
    """It is left as it is, and the fields tell which it was."""
    assert carried(patch, now) == Conflict(code=CHANGED, fields=fields)


def test_force_writes_our_fields_and_no_others() -> None:
    """Theirs go where ours were planned, and nowhere else."""
    now = an_image(MOVED, summary="Retro", location="Room 9")
    assert becomes(RETITLE, now, on_conflict="force") == an_image(
        MOVED, summary="Review", location="Room 9"
    )
    assert becomes(SHIFT, now, on_conflict="force") == an_image(
        timed("2026-06-03T09:00"), summary="Retro", location="Room 9"
    )


@pytest.mark.parametrize("on_conflict", ["rebase", "force"])
@pytest.mark.parametrize("patch", [SHIFT, Patch(ops=(InZone(tzid=PARIS),))])
def test_a_day_is_never_forced_into_an_hour(on_conflict: str, patch: Patch) -> None:
    """An edit keeps the kind of its event (cronofy-api §4.3)."""
    answer = carried(patch, an_image(all_day()), on_conflict=on_conflict)
    assert isinstance(answer, Conflict)


@pytest.mark.parametrize("on_conflict", ["skip", "rebase", "force"])
def test_an_undo_never_overwrites(on_conflict: str) -> None:
    """It would give back an old value for somebody's new one."""
    target = an_image(summary="Old")
    answer = carry_out(
        BEFORE,
        target,
        wanted=Wanted(patch=Patch(undo="c_1:2"), key=KEY),
        event=an_event(summary="Newest"),
        calendar=a_calendar(),
        policy=a_policy(on_conflict=on_conflict),
        now=NOW,
    )
    assert answer == Conflict(code=CHANGED, fields=("summary",))


# ---------------------------------------------------------------- rebase


@pytest.mark.parametrize(
    ("ops", "before", "now", "then"),
    [
        # a text is set, replaced or added to wherever it is
        (
            (SetText(field="summary", value="Review"),),
            BEFORE,
            an_image(summary="Retro"),
            an_image(summary="Review"),
        ),
        (
            (Replace(field="location", pattern="Room", with_text="Hall"),),
            BEFORE,
            an_image(location="Room 9"),
            an_image(location="Hall 9"),
        ),
        (
            (AddText(field="summary", text=" (x)"),),
            BEFORE,
            an_image(summary="Retro"),
            an_image(summary="Retro (x)"),
        ),
        # a place in the week is one wherever the event is
        (
            (ToTime(weekday=4, time="15:00"),),
            BEFORE,
            an_image(timed("2026-06-09T09:00")),
            an_image(timed("2026-06-12T15:00")),
        ),
        (
            (Lasting(seconds=900),),
            BEFORE,
            an_image(MOVED),
            an_image(timed(MOVED.start, minutes=15)),
        ),
        (
            (InZone(tzid=PARIS),),
            BEFORE,
            an_image(timed(tzid="Asia/Tokyo")),
            an_image(timed(tzid=PARIS)),
        ),
        (
            (InZone(tzid=PARIS, keep="wall_clock"),),
            BEFORE,
            an_image(MOVED),
            an_image(timed("2026-06-04T07:00", tzid=PARIS)),
        ),
        # what they did not change is as it was planned
        (
            (Shift(days=1), AddText(field="summary", text=" (x)")),
            an_image(timed("2026-10-24T09:00", tzid=PARIS)),
            an_image(timed("2026-10-24T09:00", tzid="Asia/Tokyo"), summary="Retro"),
            an_image(timed("2026-10-25T10:00", tzid="Asia/Tokyo"), summary="Retro (x)"),
        ),
    ],
)
def test_a_plan_is_rebased_where_it_means_the_same(
    ops: tuple[Op, ...], before: Image, now: Image, then: Image
) -> None:
    """Resolved anew for what somebody changed, and for nothing else."""
    assert becomes(Patch(ops=ops), now, before=before, on_conflict="rebase") == then


def test_an_absolute_move_is_rebased() -> None:
    """It says where to, whatever from."""
    patch = Patch(move=Reschedule(start="2026-06-05T09:00Z"))
    now = an_image(timed("2026-06-04T09:00", minutes=90))
    assert becomes(patch, now, on_conflict="rebase") == an_image(
        timed("2026-06-05T09:00", minutes=90)
    )


@pytest.mark.parametrize(
    ("patch", "now", "fields"),
    [
        (SHIFT, an_image(MOVED), ("start", "end")),
        (Patch(ops=(Shift(seconds=3600),)), an_image(timed(minutes=90)), ("end",)),
        # a Monday is one wherever it is asked from, but a day later it may be the next
        (
            Patch(ops=(Shift(days=1), ToTime(weekday=0))),
            an_image(timed("2026-06-07T09:00")),
            ("start", "end"),
        ),
        # at ten by its own clock, and then shown in Tokyo: asked again, it would be ten there
        (
            Patch(ops=(ToTime(time="10:00"), InZone(tzid="Asia/Tokyo"))),
            an_image(MOVED),
            ("start", "end"),
        ),
        # what was replaced has what is replaced in it
        (
            Patch(ops=(Replace(field="location", pattern="Room", with_text="Big Room"),)),
            an_image(location="Room 9"),
            ("location",),
        ),
    ],
)
def test_a_plan_that_would_mean_something_else_is_not_rebased(
    patch: Patch, now: Image, fields: tuple[str, ...]
) -> None:
    """Whoever moved the event may have meant that very move."""
    answer = carried(patch, now, on_conflict="rebase")
    assert answer == Conflict(code=CHANGED, fields=fields)


def test_a_rebased_plan_changes_no_field_that_was_not_planned() -> None:
    """There was nothing to replace in the title when somebody approved the plan."""
    ops = (
        Replace(field="summary", pattern="Old", with_text="New"),
        SetText(field="location", value="Room 5"),
    )
    now = an_image(summary="Old Retro", location="Room 9")
    assert becomes(Patch(ops=ops), now, on_conflict="rebase") == an_image(
        summary="Old Retro", location="Room 5"
    )


def test_a_rebased_plan_that_leads_to_what_is_there_sends_nothing() -> None:
    """There is nothing to replace any more."""
    patch = Patch(ops=(Replace(field="summary", pattern="Plan", with_text="Scan"),))
    assert carried(patch, an_image(summary="Retro"), on_conflict="rebase") == Unchanged()


def test_a_rebased_plan_is_refused_as_a_new_one_would_be() -> None:
    """Where it leads cannot be."""
    patch = Patch(ops=(ToTime(weekday=6, time="02:30"),))
    answer = carried(
        patch, an_image(timed("2026-10-22T09:00", tzid=PARIS)), on_conflict="rebase",
        before=an_image(timed("2026-10-27T09:00", tzid=PARIS)),
    )  # fmt: skip
    assert isinstance(answer, Skip)
    assert answer.code is Code.DST_AMBIGUOUS


# ---------------------------------------------------------------- what bars it now


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (an_event(deleted=True), Code.DELETED),
        (an_event(recurring=True), Code.RECURRING),
        (an_event(can_update=False), Code.EVENT_LOCKED),
        (an_event(event_uid="evt_external_2"), Code.NOT_FOUND),
        (an_event(timed("2026-06-01T09:00")), Code.PAST_EVENT),
        (an_event(summary=""), Code.SUMMARY_MISSING),
        (an_event(summary="x" * 1025), Code.WOULD_TRUNCATE),
    ],
)
@pytest.mark.parametrize("on_conflict", ["skip", "rebase", "force"])
def test_what_bars_an_edit_bars_a_planned_one(event: Event, code: Code, on_conflict: str) -> None:
    """Days may have passed; whatever was true then, law 4 holds now."""
    answer = carried(SHIFT, BEFORE, event=event, on_conflict=on_conflict)
    assert answer == Skip(code=code)


def test_what_was_not_read_is_not_found() -> None:
    """A plan is never carried out blindly."""
    answer = carry_out(
        BEFORE, an_image(summary="x"), wanted=Wanted(patch=SHIFT, key=KEY), event=None,
        calendar=a_calendar(), policy=Policy(), now=NOW,
    )  # fmt: skip
    assert answer == Skip(code=Code.NOT_FOUND)


@pytest.mark.parametrize("on_conflict", ["skip", "rebase", "force"])
def test_the_rows_own_guard_holds_until_the_end(on_conflict: str) -> None:
    """The event was to start at nine; whatever else the edit changes, it is not that one now."""
    patch = Patch(summary="Review", expect_start="2026-06-02T09:00Z")
    assert becomes(patch, BEFORE, on_conflict=on_conflict) == an_image(summary="Review")
    answer = carried(patch, an_image(MOVED), on_conflict=on_conflict)
    assert answer == Conflict(code=Code.EXPECTATION_FAILED, fields=("start",))


def test_a_description_is_only_judged_where_it_is_written() -> None:
    """A long one of somebody's own goes out with no edit of the time."""
    long = "x" * 5000
    assert becomes(SHIFT, an_image(description=long)).description == long
    patch = Patch(ops=(AddText(field="description", text="!"),))
    answer = carried(patch, an_image(description=long), on_conflict="rebase")
    assert answer == Skip(code=Code.WOULD_TRUNCATE)
