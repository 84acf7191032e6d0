"""Going on with a stored edit: law 5 as a table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import all_day, an_event, an_image, timed
from worker.model import Code, Event, Image
from worker.rules import Conflict, Reconciliation, SendAgain, Settled, Skip, Wait, reconcile

BEFORE = an_image()
TARGET = an_image(timed("2026-06-03T09:00"))
RETITLED = an_image(summary="Review")


def shown(image: Image, **flags: Any) -> Event:
    """Return an event that shows an image."""
    return an_event(image=image, **flags)


@pytest.mark.parametrize("was_sent", [True, False])
def test_the_target_seen_is_done(was_sent: bool) -> None:
    """Whatever the answer to the write was, the event is what was asked."""
    assert reconcile(BEFORE, TARGET, shown(TARGET), was_sent=was_sent) == Settled()


@pytest.mark.parametrize("was_sent", [True, False])
def test_the_before_image_seen_is_sent_again(was_sent: bool) -> None:
    """The write was lost, or never left; the same absolute target goes out."""
    assert reconcile(BEFORE, TARGET, shown(BEFORE), was_sent=was_sent) == SendAgain(
        before=BEFORE, target=TARGET
    )


@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize(
    ("target", "seen", "fields"),
    [
        (TARGET, an_image(timed("2026-06-04T09:00")), ("start", "end")),
        (TARGET, an_image(timed(minutes=30)), ("end",)),
        (TARGET, an_image(all_day()), ("start", "end")),
        (RETITLED, an_image(summary="Retrospective"), ("summary",)),
        (RETITLED, an_image(timed("2026-06-04T09:00")), ("start", "end")),
    ],
)
def test_anything_else_is_a_conflict(
    target: Image, seen: Image, fields: tuple[str, ...], was_sent: bool
) -> None:
    """Somebody's own change is not clobbered, and the fields tell which it was."""
    assert reconcile(BEFORE, target, shown(seen), was_sent=was_sent) == Conflict(
        code=Code.CHANGED_ELSEWHERE, fields=fields
    )


def test_an_edit_of_the_title_does_not_clobber_a_move() -> None:
    """The ends go out with each edit, so they decide even where the edit leaves them."""
    both = an_image(timed("2026-06-04T09:00"), summary="Review")
    assert reconcile(BEFORE, RETITLED, shown(both), was_sent=True) == Conflict(
        code=Code.CHANGED_ELSEWHERE, fields=("start", "end", "summary")
    )


def test_untouched_fields_go_out_with_their_current_value() -> None:
    """Somebody retitled and relocated the event meanwhile; moving it keeps that."""
    now = an_image(summary="Retrospective", location="", transparency="transparent")
    assert reconcile(BEFORE, TARGET, shown(now), was_sent=True) == SendAgain(
        before=now,
        target=an_image(
            timed("2026-06-03T09:00"),
            summary="Retrospective",
            location="",
            transparency="transparent",
        ),
    )


def test_an_edit_of_the_title_keeps_the_times_as_they_are_shown_now() -> None:
    """The zones may be told better now than when the target was stored."""
    now = an_image(timed(tzid="Europe/Paris"))
    answer = reconcile(BEFORE, RETITLED, shown(now), was_sent=False)
    assert answer == SendAgain(
        before=now, target=an_image(timed(tzid="Europe/Paris"), summary="Review")
    )


def test_an_untouched_title_that_became_unsendable_stops_the_edit() -> None:
    """The title that would go out now is not the one that was checked when deciding."""
    untitled = shown(an_image(summary=""))
    long = shown(an_image(summary="x" * 1025))
    assert reconcile(BEFORE, TARGET, untitled, was_sent=False) == Skip(code=Code.SUMMARY_MISSING)
    assert reconcile(BEFORE, TARGET, long, was_sent=False) == Skip(code=Code.WOULD_TRUNCATE)


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"deleted": True}, Code.DELETED),
        ({"managed": True}, Code.MANAGED_EVENT),
        ({"recurring": True}, Code.RECURRING),
        ({"can_update": False}, Code.EVENT_LOCKED),
    ],
)
def test_what_must_not_be_touched_is_not_touched_later_either(
    flags: dict[str, Any], code: Code
) -> None:
    """Between deciding and sending, an event can be locked or become part of a series (law 4)."""
    assert reconcile(BEFORE, TARGET, shown(BEFORE, **flags), was_sent=True) == Skip(code=code)


def test_an_edit_that_took_is_done_though_the_event_was_locked_since() -> None:
    """What is true is reported; only sending is forbidden."""
    locked = shown(TARGET, can_update=False)
    assert reconcile(BEFORE, TARGET, locked, was_sent=True) == Settled()


def test_a_deleted_event_is_not_done_even_with_the_target_in_it() -> None:
    """Its last values say nothing once it is gone."""
    gone = shown(TARGET, deleted=True)
    assert reconcile(BEFORE, TARGET, gone, was_sent=True) == Skip(code=Code.DELETED)


def test_an_event_out_of_sight_is_waited_for_if_a_write_may_have_left() -> None:
    """Our own write may have moved it out of the readable window."""
    assert reconcile(BEFORE, TARGET, None, was_sent=True) == Wait()


def test_an_event_out_of_sight_is_not_found_if_nothing_was_sent() -> None:
    """Nothing to wait for."""
    assert reconcile(BEFORE, TARGET, None, was_sent=False) == Skip(code=Code.NOT_FOUND)


def test_a_transparency_that_nobody_tells_is_sent_again() -> None:
    """It is not proven to be there, and the absolute value does no harm twice."""
    before, target = an_image(transparency="unknown"), an_image(transparency="opaque")
    assert reconcile(before, target, shown(before), was_sent=True) == SendAgain(
        before=before, target=target
    )


IN_PARIS = an_image(timed(tzid="Europe/Paris"))


def test_a_move_is_sent_again_in_the_zone_that_is_shown_now() -> None:
    """Whoever shows the event in another zone has not moved it, and keeps that zone."""
    answer = reconcile(IN_PARIS, an_image(timed("2026-06-03T09:00", tzid="Europe/Paris")),
                       shown(an_image(timed(tzid="Asia/Tokyo"))), was_sent=True)  # fmt: skip
    assert answer == SendAgain(
        before=an_image(timed(tzid="Asia/Tokyo")),
        target=an_image(timed("2026-06-03T09:00", tzid="Asia/Tokyo")),
    )


@pytest.mark.parametrize(
    ("seen", "answer"),
    [
        (IN_PARIS, Settled()),
        (BEFORE, SendAgain(before=BEFORE, target=IN_PARIS)),
        (
            an_image(timed(tzid="Asia/Tokyo")),
            Conflict(code=Code.CHANGED_ELSEWHERE, fields=("zone",)),
        ),
        (
            an_image(timed("2026-06-04T09:00")),
            Conflict(code=Code.CHANGED_ELSEWHERE, fields=("start", "end")),
        ),
    ],
)
def test_a_zone_is_settled_sent_again_or_somebody_elses(
    seen: Image, answer: Reconciliation
) -> None:
    """As any field that the edit changes."""
    assert reconcile(BEFORE, IN_PARIS, shown(seen), was_sent=True) == answer
