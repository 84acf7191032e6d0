"""Taking an edit back: only what it changed, and only where nobody has changed it since."""

from __future__ import annotations

import pytest

from tests.builders import (
    KEY,
    NOW,
    a_calendar,
    a_policy,
    all_day,
    an_event,
    an_image,
    timed,
)
from worker.model import Code, Image, Patch
from worker.rules import (
    Change,
    Conflict,
    Decision,
    Earlier,
    Refuse,
    Skip,
    Unchanged,
    Wanted,
    changed,
    decide,
)

PARIS = "Europe/Paris"
BEFORE = an_image()
LATER = timed("2026-06-03T09:00")
TARGET = an_image(LATER, summary="Review")


def an_earlier(before: Image = BEFORE, target: Image = TARGET) -> Earlier:
    """Return an edit that has been made."""
    return Earlier(before=before, target=target, fields=changed(before, target))


def undone(now: Image, earlier: Earlier | None) -> Decision:
    """Decide about taking an edit back."""
    wanted = Wanted(patch=Patch(undo="c_1:2"), key=KEY, earlier=earlier)
    return decide(
        wanted, an_event(image=now), calendar=a_calendar(), policy=a_policy(), now=NOW
    )  # fmt: skip


def given_back(now: Image, earlier: Earlier) -> Image:
    """Return what an event becomes."""
    answer = undone(now, earlier)
    assert isinstance(answer, Change)
    assert answer.before == now
    return answer.target


def test_what_was_changed_is_given_back() -> None:
    """Field by field, and the change is told as any other."""
    assert undone(TARGET, an_earlier()) == Change(
        before=TARGET, target=BEFORE, fields=("start", "end", "summary")
    )


def test_an_undo_is_taken_back_as_well() -> None:
    """It is an edit like any other."""
    undo = undone(TARGET, an_earlier())
    assert isinstance(undo, Change)
    again = Earlier(before=undo.before, target=undo.target, fields=undo.fields)
    assert given_back(BEFORE, again) == TARGET


@pytest.mark.parametrize(
    "theirs",
    [
        {"location": "Room 9"},
        {"description": "", "transparency": "transparent"},
        {"conference": True},
    ],
)
def test_what_people_changed_in_other_fields_stays(theirs: dict[str, object]) -> None:
    """It is neither asked for nor written."""
    now = an_image(LATER, summary="Review", **theirs)
    assert given_back(now, an_earlier()) == an_image(**theirs)


@pytest.mark.parametrize(
    ("now", "fields"),
    [
        (an_image(timed("2026-06-04T09:00"), summary="Review"), ("start", "end")),
        (an_image(timed("2026-06-03T09:00", minutes=90), summary="Review"), ("end",)),
        (an_image(all_day("2026-06-03"), summary="Review"), ("start", "end")),
        (an_image(LATER, summary="Retrospective"), ("summary",)),
        (an_image(timed(minutes=90), summary="Review"), ("start", "end")),
        (an_image(timed("2026-06-04T09:00"), summary="Retro"), ("start", "end", "summary")),
    ],
)
def test_what_people_changed_in_our_fields_is_a_conflict(
    now: Image, fields: tuple[str, ...]
) -> None:
    """Both ends count as one: whoever changed the length has seen the new start."""
    assert undone(now, an_earlier()) == Conflict(code=Code.CHANGED_ELSEWHERE, fields=fields)


def test_what_people_have_given_back_already_asks_for_nothing() -> None:
    """The rest is given back; where nothing is left, nothing is sent."""
    assert given_back(an_image(LATER), an_earlier()) == BEFORE
    assert given_back(an_image(summary="Review"), an_earlier()) == BEFORE
    assert undone(BEFORE, an_earlier()) == Unchanged()
    assert undone(an_image(location="Room 9"), an_earlier()) == Unchanged()


@pytest.mark.parametrize(
    "now",
    [
        an_image(timed("2026-06-03T09:00", tzid=PARIS), summary="Review"),
        an_image(LATER, summary=" Review\r\n"),
    ],
)
def test_what_providers_change_by_themselves_is_no_change_of_somebodys(now: Image) -> None:
    """Else no edit could ever be taken back at some providers."""
    assert changed(given_back(now, an_earlier()), BEFORE) in {(), ("zone",)}


# ---------------------------------------------------------------- zones

IN_PARIS = an_earlier(target=an_image(timed(tzid=PARIS)))


def test_a_zone_is_given_back_and_nothing_else() -> None:
    """Whoever moved the event since has moved it."""
    assert given_back(an_image(timed(tzid=PARIS)), IN_PARIS) == BEFORE
    moved = an_image(timed("2026-06-09T07:00", tzid=PARIS))
    assert given_back(moved, IN_PARIS) == an_image(timed("2026-06-09T07:00"))


def test_a_zone_that_somebody_chose_since_is_theirs() -> None:
    """The third zone is a conflict, and whole days have none."""
    for now in (timed(tzid="Asia/Tokyo"), all_day()):
        answer = undone(an_image(now), IN_PARIS)
        assert answer == Conflict(code=Code.CHANGED_ELSEWHERE, fields=("zone",))


def test_a_move_is_given_back_in_the_zone_that_somebody_chose_since() -> None:
    """The instants are ours, the zone is theirs."""
    now = an_image(timed("2026-06-03T09:00", tzid="Asia/Tokyo"), summary="Review")
    assert given_back(now, an_earlier()) == an_image(timed(tzid="Asia/Tokyo"))


def test_a_zone_that_is_never_told_stops_no_undo() -> None:
    """It was shown as UTC before, and is now; of the ends all is known."""
    both = an_earlier(target=an_image(timed("2026-06-03T09:00", tzid=PARIS)))
    assert given_back(an_image(LATER), both) == BEFORE


# ---------------------------------------------------------------- what cannot be taken back


def test_what_is_not_known_any_more_is_not_taken_back() -> None:
    """Erased, or pruned."""
    assert undone(TARGET, None) == Refuse(code=Code.NOTHING_TO_UNDO)


def test_a_transparency_that_was_never_told_is_not_taken_back() -> None:
    """It can be read but not written, so what it was is not known."""
    earlier = an_earlier(
        before=an_image(transparency="unknown"), target=an_image(transparency="opaque")
    )
    assert undone(an_image(transparency="opaque"), earlier) == Refuse(code=Code.NOTHING_TO_UNDO)
    assert undone(an_image(transparency="transparent"), earlier) == Conflict(
        code=Code.CHANGED_ELSEWHERE, fields=("transparency",)
    )


def test_the_rest_is_given_back_beside_such_a_transparency() -> None:
    """As much as can be."""
    earlier = an_earlier(
        before=an_image(transparency="unknown"),
        target=an_image(transparency="opaque", summary="Review"),
    )
    now = an_image(transparency="opaque", summary="Review")
    assert given_back(now, earlier) == an_image(transparency="opaque")


def test_a_transparency_that_is_not_told_any_more_speaks_against_nothing() -> None:
    """It is given back as it was."""
    earlier = an_earlier(target=an_image(transparency="transparent"))
    assert given_back(an_image(transparency="unknown"), earlier) == BEFORE


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (an_image(summary=""), Code.SUMMARY_MISSING),
        (an_image(summary="x" * 1025), Code.WOULD_TRUNCATE),
        (an_image(description="x" * 4097), Code.WOULD_TRUNCATE),
    ],
)
def test_what_the_api_would_not_take_cannot_be_given_back(before: Image, code: Code) -> None:
    """It is listed by its code, and nothing is cut."""
    target = an_image(description="short")
    assert undone(target, an_earlier(before, target)) == Skip(code=code)


def test_an_undo_is_barred_as_any_edit_is() -> None:
    """Locked, deleted or past: law 4 holds for what goes back as well."""
    wanted = Wanted(patch=Patch(undo="c_1:2"), key=KEY, earlier=an_earlier())
    locked = an_event(image=TARGET, can_update=False)
    answer = decide(wanted, locked, calendar=a_calendar(), policy=a_policy(), now=NOW)
    assert answer == Skip(code=Code.EVENT_LOCKED)
