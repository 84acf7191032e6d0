"""Deciding, reconciling and verifying any edit of any event: what must hold always."""

from __future__ import annotations

from typing import get_args

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import (
    KEY,
    NOW,
    a_calendar,
    a_policy,
    a_wanted,
    all_day,
    an_event,
    an_image,
    timed,
)
from worker.model import Calendar, Code, Event, Image, Patch, Policy, Reschedule, Shift
from worker.rules import (
    FIELDS,
    Change,
    Conflict,
    Decision,
    Mismatch,
    NotYet,
    Proven,
    SendAgain,
    Settled,
    Skip,
    Unchanged,
    Unproven,
    Wait,
    decide,
    differences,
    judge_proof,
    missing,
    normalised,
    reconcile,
)
from worker.rules.images import with_fields


def _not(flag: bool) -> bool:
    return not flag


#: What may be wrong with an event that shows the target.
LOSSES = {Code.SIDE_EFFECT, Code.CONFERENCE_LOST}
#: Few values on purpose, so that equal ones meet often.
texts = st.sampled_from(
    ["", " ", "Planning", "Planning\r\n", "Review", "a\nb", "a\r\nb", "x" * 5000]
)
titles = st.sampled_from(["Planning", " Planning", "Review", "Review\n", "", "x" * 1025])
zones = st.sampled_from(["Etc/UTC", "Europe/Paris", "America/New_York"] * 3 + ["Mars/Olympus"])
starts = st.sampled_from(
    [
        "2026-06-02T09:00",
        "2026-06-03T09:00",
        "2026-10-24T00:30",
        "2026-03-28T01:30",
        "2026-05-01T09:00",
    ]
)
whens = st.builds(timed, starts, minutes=st.sampled_from([0, 30, 60]), tzid=zones) | st.builds(
    all_day, st.sampled_from(["2026-06-02", "2026-06-03", "2026-05-01"]), days=st.integers(1, 3)
)
images = st.builds(
    Image,
    when=whens,
    summary=titles,
    description=texts,
    location=texts,
    transparency=st.sampled_from(["opaque", "transparent", "unknown"]),
    conference=st.booleans(),
    organizer=st.sampled_from(["", "ann@acme.com"]),
)
rare = st.sampled_from([False] * 7 + [True])
editable = st.builds(an_event, image=images)
events = st.builds(
    an_event, image=images, managed=rare, deleted=rare, recurring=rare, can_update=rare.map(_not)
)
calendars = st.builds(
    Calendar,
    calendar_id=st.just(KEY.calendar_id),
    read_only=rare,
    deleted=rare,
    elevated=rare.map(_not),
)
reschedules = st.builds(
    Reschedule,
    start=st.none() | st.sampled_from(["2026-06-03T09:00Z", "2026-06-04T02:30", "2026-06-03"]),
    end=st.none() | st.sampled_from(["2026-06-03T10:00Z", "2026-06-05"]),
)
shifts = st.sampled_from(
    [Shift(days=1), Shift(seconds=3600), Shift(days=-1, seconds=-60), Shift(days=7, elapsed=True)]
)


def patches(moves: st.SearchStrategy[Shift | Reschedule | None]) -> st.SearchStrategy[Patch]:
    """Draw patches with such moves."""
    return st.builds(
        Patch,
        move=moves,
        summary=st.none() | titles,
        description=st.none() | texts,
        location=st.none() | texts,
        transparency=st.sampled_from([None, "opaque", "transparent"]),
        tzid=st.none() | zones,
    )


absolute = patches(st.none() | reschedules)
anything = patches(st.none() | reschedules | shifts)
policies = st.builds(
    Policy,
    past_events=st.booleans(),
    dst_gap=st.sampled_from(["refuse", "earlier", "later"]),
    dst_fold=st.sampled_from(["refuse", "earlier", "later"]),
    allow_repeat=st.booleans(),
)


def decided(patch: Patch, event: Event, *, policy: Policy | None = None) -> Decision:
    """Decide in an ordinary calendar; unless told, past events are edited as well."""
    return decide(
        a_wanted(patch),
        event,
        calendar=a_calendar(),
        policy=policy or a_policy(past_events=True),
        now=NOW,
    )


def check_editable(event: Event) -> None:
    """Assert that law 4 has nothing against an event."""
    assert event.can_update
    assert (event.managed, event.deleted, event.recurring) == (False, False, False)


@st.composite
def changes(draw: st.DrawFn, asked: st.SearchStrategy[Patch]) -> tuple[Patch, Event, Change]:
    """Draw a patch, an event, and the change that it makes of the event."""
    patch, event = draw(asked), draw(editable)
    change = decided(patch, event)
    assume(isinstance(change, Change))
    assert isinstance(change, Change)
    return patch, event, change


@given(patch=anything, event=st.none() | events, calendar=st.none() | calendars, policy=policies)
def test_what_must_not_be_touched_never_changes(
    patch: Patch, event: Event | None, calendar: Calendar | None, policy: Policy
) -> None:
    """Law 4, and every input has a decision."""
    decision = decide(a_wanted(patch), event, calendar=calendar, policy=policy, now=NOW)
    assert isinstance(decision, get_args(Decision))
    if isinstance(decision, Change):
        assert calendar is not None
        assert event is not None
        assert calendar.elevated
        assert (calendar.read_only, calendar.deleted) == (False, False)
        check_editable(event)


@given(edit=changes(anything))
def test_a_change_names_exactly_what_differs(edit: tuple[Patch, Event, Change]) -> None:
    """The fields named are those that are sent and those that are proven, no more and no fewer."""
    patch, event, change = edit
    assert change.before == event.image
    assert change.fields == missing(change.target, change.before) != ()
    assert type(change.target.when) is type(change.before.when)
    assert change.target == with_fields(change.before, change.target, fields=change.fields)
    assert 0 < len(change.target.summary) <= 1024
    for name in ("summary", "description", "location", "transparency"):
        if name not in change.fields:
            assert getattr(change.target, name) == getattr(change.before, name)
        else:
            assert getattr(change.target, name) == getattr(patch, name)
    if patch.move is None:
        assert change.target.when == change.before.when


@given(edit=changes(absolute))
def test_an_edited_event_is_as_asked(edit: tuple[Patch, Event, Change]) -> None:
    """Deciding is idempotent: what was done is not done again, whatever crashed in between."""
    patch, event, change = edit
    assert decided(patch, replace(event, image=change.target)) == Unchanged()


@given(edit=changes(patches(shifts)))
def test_a_shifted_event_is_not_shifted_again(edit: tuple[Patch, Event, Change]) -> None:
    """A relative edit cannot see that it was done, so it is told where it put the event (law 3)."""
    patch, event, change = edit
    again = decide(
        a_wanted(patch, made=change.target),
        replace(event, image=change.target),
        calendar=a_calendar(),
        policy=a_policy(past_events=True),
        now=NOW,
    )
    assert again == Skip(code=Code.ALREADY_IN_CAMPAIGN)


@given(edit=changes(anything))
def test_the_target_seen_is_settled_and_proven(edit: tuple[Patch, Event, Change]) -> None:
    """Going on and verifying read the same event the same way."""
    _, event, change = edit
    before, target, fields = change.before, change.target, change.fields
    seen = replace(event, image=target)
    assert reconcile(before, target, seen, was_sent=True) == Settled()
    for time_is_up in (True, False):
        proof = judge_proof(before, target, fields, seen, time_is_up=time_is_up, in_sight=True)
        assert proof == Proven()


@given(edit=changes(anything))
def test_the_before_image_seen_is_sent_again_and_proves_nothing(
    edit: tuple[Patch, Event, Change],
) -> None:
    """Nothing is called done because nothing happened."""
    _, event, change = edit
    before, target, fields = change.before, change.target, change.fields
    assert reconcile(before, target, event, was_sent=True) == SendAgain(
        before=before, target=target
    )
    assert judge_proof(before, target, fields, event, time_is_up=False, in_sight=True) == NotYet()
    late = judge_proof(before, target, fields, event, time_is_up=True, in_sight=True)
    assert isinstance(late, Mismatch | Unproven)


@given(edit=changes(anything), now=st.none() | events, was_sent=st.booleans())
def test_reconciling_ends_in_what_is_true(
    edit: tuple[Patch, Event, Change], now: Event | None, was_sent: bool
) -> None:
    """Any event may be there instead of the one that was decided about."""
    _, _, change = edit
    before, target, fields = change.before, change.target, change.fields
    answer = reconcile(before, target, now, was_sent=was_sent)
    proof = judge_proof(before, target, fields, now, time_is_up=True, in_sight=True)
    match answer:
        case Settled():
            assert isinstance(proof, Proven | Mismatch)
            assert getattr(proof, "code", Code.SIDE_EFFECT) in LOSSES
        case SendAgain():
            assert now is not None
            check_rebased(answer, target, now, fields=fields)
            assert proof != Proven()
        case Conflict():
            assert answer.fields
            assert set(answer.fields) <= set(FIELDS)
            assert proof != Proven()
        case Wait():
            assert now is None
            assert was_sent
        case Skip():
            assert proof != Proven()


def check_rebased(answer: SendAgain, target: Image, now: Event, *, fields: tuple[str, ...]) -> None:
    """Assert that what is sent again changes what was asked, and nothing else."""
    assert answer.before == now.image
    assert missing(target, answer.target, fields=fields) == ()
    assert set(differences(now.image, answer.target)) <= set(fields)
    check_editable(now)
    took = replace(now, image=answer.target)
    again = missing(answer.target, answer.before)
    assert reconcile(answer.before, answer.target, took, was_sent=True) == Settled()
    proof = judge_proof(answer.before, answer.target, again, took, time_is_up=False, in_sight=True)
    assert proof == Proven()


@given(a=images, b=images)
def test_comparing_is_symmetric_and_agrees_with_the_normal_form(a: Image, b: Image) -> None:
    """Differences are what differs between the normal forms, but for the transparency unknown, and
    for what is not written: conference links and organizers.
    """
    assert differences(a, b) == differences(b, a)
    assert differences(a, normalised(a)) == ()
    assert differences(a, b) == differences(normalised(a), normalised(b))
    unwritten = {"conference": False, "organizer": ""}
    alike = replace(normalised(a), **unwritten) == replace(normalised(b), **unwritten)
    assert alike == (missing(a, b) == ())
    assert set(differences(a, b)) <= set(missing(a, b))


def test_the_ordinary_edit_is_among_those_drawn() -> None:
    """The properties above would hold of nothing at all as well."""
    assert isinstance(decided(Patch(move=Shift(days=1)), an_event(image=an_image())), Change)
