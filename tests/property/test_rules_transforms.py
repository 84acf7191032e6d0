"""Any transforms of any event: an answer always, the same one always, and made only once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests import drawn
from tests.builders import KEY, NOW, a_calendar, a_policy, an_event, an_image
from worker.model import AddText, AllDay, Image, Lasting, Op, Patch, Policy, Timed, ToTime
from worker.rules import (
    Ambiguous,
    Change,
    Decision,
    NotForAllDay,
    Wanted,
    changed,
    decide,
    is_relative,
    same_when,
    transformed,
)
from worker.rules.images import both_ends
from worker.rules.transform import TooLong


def decided(ops: tuple[Op, ...], image: Image, policy: Policy, made: Image | None) -> Decision:
    """Decide about transforms of an event that may be edited."""
    wanted = Wanted(patch=Patch(ops=ops), key=KEY, made=made)
    event = an_event(image=image)
    return decide(wanted, event, calendar=a_calendar(), policy=policy, now=NOW)


def check_kind(image: Image, answer: Image) -> None:
    """Assert that an event kept its kind, and its order if it moved."""
    assert type(answer.when) is type(image.when)
    assert answer.conference == image.conference
    if isinstance(answer.when, Timed):
        assert answer.when.start <= answer.when.end


@given(image=drawn.images, ops=drawn.op_lists, policy=drawn.policies)
def test_every_event_has_an_answer(image: Image, ops: tuple[Op, ...], policy: Policy) -> None:
    """No list of valid transforms ends a worker, whatever the event is like."""
    answer = transformed(image, ops, policy=policy)
    assert answer == transformed(image, ops, policy=policy)
    match answer:
        case Image():
            check_kind(image, answer)
        case NotForAllDay():
            assert isinstance(image.when, AllDay)
        case Ambiguous():
            assert isinstance(image.when, Timed)
        case TooLong():
            raise AssertionError("texts of this length do not grow that far")


@given(image=drawn.images, ops=drawn.op_lists, policy=drawn.policies)
def test_only_what_is_named_changes(image: Image, ops: tuple[Op, ...], policy: Policy) -> None:
    """Transforms of texts leave the times alone, and the other way round."""
    answer = transformed(image, ops, policy=policy)
    if not isinstance(answer, Image):
        return
    named = {getattr(op, "field", "when") for op in ops}
    for name in {"when", "summary", "description", "location", "transparency"} - named:
        assert getattr(answer, name) == getattr(image, name)


@given(image=drawn.images, one=drawn.op_lists, two=drawn.op_lists, policy=drawn.policies)
def test_transforms_go_one_after_the_other(
    image: Image, one: tuple[Op, ...], two: tuple[Op, ...], policy: Policy
) -> None:
    """Two lists are as good as one, unless additions of the one stand in the other's way."""
    if any(isinstance(op, AddText) for op in (*one, *two)):
        return
    answer = transformed(image, one, policy=policy)
    whole = transformed(image, (*one, *two), policy=policy)
    if isinstance(answer, Image):
        answer = transformed(answer, two, policy=policy)
    if isinstance(answer, Image) and isinstance(whole, Image):
        assert changed(answer, whole) == ()
    else:
        assert answer == whole


@given(
    image=drawn.images,
    ops=st.lists(drawn.additions | drawn.settings, max_size=4).map(tuple),
    policy=drawn.policies,
)
def test_what_is_set_or_added_is_so_once(image: Image, ops: tuple[Op, ...], policy: Policy) -> None:
    """Sent every night, such a campaign changes nothing from the second night on."""
    once = transformed(image, ops, policy=policy)
    assert isinstance(once, Image)
    again = transformed(once, ops, policy=policy)
    assert isinstance(again, Image)
    assert changed(once, again) == ()


@given(
    image=drawn.images, op=drawn.to_times | drawn.lengths | drawn.in_zones, policy=drawn.policies
)
def test_a_place_a_length_and_a_zone_are_given_once(image: Image, op: Op, policy: Policy) -> None:
    """As above, also where the clock skips the time or shows it twice."""
    once = transformed(image, (op,), policy=policy)
    if isinstance(once, Image):
        assert transformed(once, (op,), policy=policy) == once


@given(image=drawn.images, ops=drawn.op_lists, policy=drawn.policies)
def test_what_was_made_is_not_made_again(image: Image, ops: tuple[Op, ...], policy: Policy) -> None:
    """Whatever the transforms are: the same campaign, sent twice, changes an event once (law 3)."""
    first = decided(ops, image, policy, None)
    if not isinstance(first, Change):
        return
    again = decided(ops, first.target, policy, first.target)
    assert not isinstance(again, Change) or not is_relative(Patch(ops=ops))
    if is_relative(Patch(ops=ops)):
        return
    assert not isinstance(decided(ops, first.target, policy, None), Change)


@given(image=drawn.images, ops=drawn.op_lists, policy=drawn.policies, data=st.data())
def test_an_event_that_people_moved_since_is_moved_anew(
    image: Image, ops: tuple[Op, ...], policy: Policy, data: st.DataObject
) -> None:
    """What was made elsewhere is no reason to leave it there."""
    first = decided(ops, image, policy, None)
    if not isinstance(first, Change):
        return
    now = data.draw(drawn.edited(first.target))
    fresh, told = decided(ops, now, policy, None), decided(ops, now, policy, first.target)
    if fresh == told:
        return
    # Something that would change is where the first edit left it.
    fields = both_ends(fresh.fields) if isinstance(fresh, Change) else ("start", "end")
    is_there = same_when(now.when, first.target.when) and "start" in fields
    texts = {"summary", "description", "location"} & {*fields}
    assert is_there or texts - {*changed(first.target, now)}


def test_an_ordinary_change_is_among_those_drawn() -> None:
    """The properties above would hold of nothing at all as well."""
    answer = decided((ToTime(weekday=2), Lasting(days=1)), an_image(), a_policy(), None)
    assert isinstance(answer, Change)
