"""Plans carried out and edits taken back: whatever people do meanwhile, nobody's change is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import drawn
from tests.builders import KEY, NOW, a_calendar, a_policy, an_event, an_image
from worker.model import Code, Image, Op, Patch, Policy, Shift
from worker.rules import (
    FIELDS,
    Change,
    Conflict,
    Decision,
    Earlier,
    Refuse,
    SendAgain,
    Settled,
    Skip,
    Unchanged,
    Wanted,
    carry_out,
    changed,
    decide,
    differences,
    missing,
    reconcile,
)
from worker.rules.images import both_ends

UNDO = Patch(undo="c_1:2")
#: What an edit of a title that is too long, or gone, ends with.
UNSENDABLE = {Code.SUMMARY_MISSING, Code.WOULD_TRUNCATE}


def about(policy: Policy | None = None) -> dict[str, Any]:
    """Return the circumstances: an ordinary calendar, and past events edited as well."""
    policy = policy or a_policy(past_events=True)
    return {"calendar": a_calendar(), "policy": policy, "now": NOW}


@st.composite
def edits(draw: st.DrawFn) -> Change:
    """Draw what some transforms make of an event."""
    wanted = Wanted(patch=Patch(ops=draw(drawn.op_lists)), key=KEY)
    policy = draw(drawn.policies)
    change = decide(wanted, an_event(image=draw(drawn.images)), **about(policy))
    assume(isinstance(change, Change))
    assert isinstance(change, Change)
    return change


def undone(change: Change, now: Image) -> Decision:
    """Decide about taking an edit back."""
    earlier = Earlier(before=change.before, target=change.target, fields=change.fields)
    wanted = Wanted(patch=UNDO, key=KEY, earlier=earlier)
    return decide(wanted, an_event(image=now), **about())


def is_told(change: Change) -> bool:
    """Tell whether all that an edit changed can be written back."""
    return "transparency" not in change.fields or change.before.transparency != "unknown"


def names_of(fields: tuple[str, ...]) -> frozenset[str]:
    """Return what fields are called in an image."""
    times = {"start", "end", "zone"}
    return frozenset("when" if name in times else name for name in fields)


# ---------------------------------------------------------------- undo


@given(change=edits())
def test_an_undo_gives_back_what_was(change: Change) -> None:
    """Field by field, the zones as well; unless the API would not take what was."""
    answer = undone(change, change.target)
    if isinstance(answer, Skip | Refuse):
        codes = {*UNSENDABLE, Code.NOTHING_TO_UNDO}
        assert answer.code in codes
        assert answer.code in UNSENDABLE or not is_told(change)
        return
    assert isinstance(answer, Change)
    assert answer.before == change.target
    left = changed(answer.target, change.before)
    assert left == (() if is_told(change) else ("transparency",))


@given(change=edits(), data=st.data())
def test_an_undo_leaves_what_people_changed_in_other_fields(
    change: Change, data: st.DataObject
) -> None:
    """What is theirs is in the target as it is now; what is ours is as it was."""
    theirs = drawn.edited(change.target, spared=names_of(change.fields))
    now = data.draw(theirs)
    answer = undone(change, now)
    if not isinstance(answer, Change):
        assert isinstance(answer, Skip | Refuse)
        return
    assert {*answer.fields} <= {*change.fields}
    for name in {*FIELDS, "zone"} - {*change.fields}:
        assert missing(now, answer.target, fields=(name,)) == ()
    for name in {*change.fields} - {"transparency"}:
        assert missing(change.before, answer.target, fields=(name,)) == ()


@given(change=edits(), data=st.data())
def test_an_undo_never_overwrites_what_people_changed_in_our_fields(
    change: Change, data: st.DataObject
) -> None:
    """Whatever they did: each field ends as theirs, or was ours, or was given back already."""
    now = data.draw(drawn.edited(change.target))
    answer = undone(change, now)
    if isinstance(answer, Change):
        for name in answer.fields:
            assert name in change.fields or name in {"start", "end"}
            assert differences(change.target, now, fields=(name,)) == ()
            assert missing(change.before, answer.target, fields=(name,)) == ()
    elif isinstance(answer, Conflict):
        for name in answer.fields:
            assert differences(change.target, now, fields=(name,))
            assert name in both_ends(change.fields)
    elif isinstance(answer, Unchanged):
        assert missing(change.before, now, fields=both_ends(change.fields)) == ()


@given(change=edits(), data=st.data())
def test_an_undo_of_an_undo_makes_the_edit_again(change: Change, data: st.DataObject) -> None:
    """And what people changed meanwhile is still theirs."""
    theirs = drawn.edited(change.target, spared=names_of(change.fields))
    now = data.draw(theirs)
    undo = undone(change, now)
    assume(isinstance(undo, Change) and is_told(change))
    assert isinstance(undo, Change)
    again = undone(undo, undo.target)
    if isinstance(again, Change):
        assert changed(again.target, now) == ()
    else:
        # The transparency that people's provider does not tell any more, or a title without which
        # nothing can be sent.
        assert isinstance(again, Skip | Refuse)


# ---------------------------------------------------------------- carrying out


@given(change=edits(), ops=drawn.op_lists, policy=drawn.policies, data=st.data())
def test_a_plan_changes_nothing_that_was_not_planned(
    change: Change, ops: tuple[Op, ...], policy: Policy, data: st.DataObject
) -> None:
    """Whatever the event is now, whatever was asked, and whoever is to win."""
    now = data.draw(drawn.edited(change.before) | drawn.images)
    wanted = Wanted(patch=Patch(ops=ops), key=KEY)
    answer = carry_out(
        change.before, change.target, wanted=wanted, event=an_event(image=now), **about(policy)
    )
    if not isinstance(answer, Change):
        return
    assert answer.before == now
    assert answer.fields == changed(now, answer.target) != ()
    assert {*answer.fields} <= {*both_ends(change.fields)}
    assert type(answer.target.when) is type(now.when)
    assert answer.target.conference == now.conference
    theirs = differences(change.before, now, fields=both_ends(change.fields))
    if policy.on_conflict == "force" or not theirs:
        assert missing(change.target, answer.target, fields=answer.fields) == ()


@given(change=edits(), data=st.data())
def test_without_leave_a_plan_never_overwrites(change: Change, data: st.DataObject) -> None:
    """Each field that is written was as it had been planned from."""
    now = data.draw(drawn.edited(change.before))
    wanted = Wanted(patch=Patch(ops=(Shift(days=1),)), key=KEY)
    answer = carry_out(
        change.before, change.target, wanted=wanted, event=an_event(image=now), **about()
    )
    if isinstance(answer, Change):
        assert differences(change.before, now, fields=answer.fields) == ()
        assert missing(change.target, answer.target, fields=change.fields) == ()
    elif isinstance(answer, Conflict):
        assert differences(change.before, now, fields=answer.fields) == answer.fields != ()
    elif isinstance(answer, Unchanged):
        assert missing(change.target, now, fields=change.fields) == ()
    else:
        assert isinstance(answer, Skip)
        assert answer.code in UNSENDABLE


@given(image=drawn.images, ops=drawn.op_lists, policy=drawn.policies, data=st.data())
def test_a_rebased_plan_is_the_edit_of_the_event_as_it_is_now(
    image: Image, ops: tuple[Op, ...], policy: Policy, data: st.DataObject
) -> None:
    """For what people changed; nothing that shifts comes on top of their move."""
    patch, circumstances = Patch(ops=ops), about(replace(policy, on_conflict="rebase"))
    plan = decide(Wanted(patch=patch, key=KEY), an_event(image=image), **circumstances)
    if not isinstance(plan, Change):
        return
    now = data.draw(drawn.edited(image))
    answer = carry_out(
        plan.before, plan.target, wanted=Wanted(patch=patch, key=KEY),
        event=an_event(image=now), **circumstances,
    )  # fmt: skip
    theirs = differences(plan.before, now, fields=both_ends(plan.fields))
    if not isinstance(answer, Change) or not theirs:
        return
    if any(isinstance(op, Shift) for op in ops):
        assert {"start", "end"}.isdisjoint(theirs)
    fresh = decide(Wanted(patch=patch, key=KEY), an_event(image=now), **circumstances)
    target = fresh.target if isinstance(fresh, Change) else now
    for name in {*theirs} & {*answer.fields}:
        shown = missing(target, answer.target, fields=(name,)) == ()
        assert shown or missing(plan.target, now, fields=(name,)) == ()


@given(change=edits(), data=st.data())
def test_what_a_plan_sends_is_settled_or_sent_again_as_any_edit(
    change: Change, data: st.DataObject
) -> None:
    """A crash after the plan has been begun leaves an edit like any other (law 5)."""
    now = data.draw(drawn.edited(change.before))
    wanted = Wanted(patch=Patch(ops=(Shift(days=1),)), key=KEY)
    sent = carry_out(
        change.before, change.target, wanted=wanted, event=an_event(image=now), **about()
    )
    assume(isinstance(sent, Change))
    assert isinstance(sent, Change)
    took, lost = an_event(image=sent.target), an_event(image=now)
    assert reconcile(sent.before, sent.target, took, was_sent=True) == Settled()
    assert reconcile(sent.before, sent.target, lost, was_sent=True) == SendAgain(
        before=sent.before, target=sent.target
    )


def test_an_ordinary_undo_is_among_those_drawn() -> None:
    """The properties above would hold of nothing at all as well."""
    plan = decide(
        Wanted(patch=Patch(ops=(Shift(days=1),)), key=KEY), an_event(image=an_image()), **about()
    )
    assert isinstance(plan, Change)
    assert isinstance(undone(plan, plan.target), Change)
