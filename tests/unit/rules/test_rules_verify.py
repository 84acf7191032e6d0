"""Proof: what a read says about an accepted edit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import an_event, an_image, timed
from worker.model import Code, Event, Image
from worker.rules import Mismatch, NotYet, Proof, Proven, Unproven, judge_proof

MOVED = ("start", "end")
BEFORE = an_image(conference=True)
TARGET = an_image(timed("2026-06-03T09:00"), conference=True)


def judged(
    seen: Event | Image | None,
    *,
    before: Image = BEFORE,
    target: Image = TARGET,
    fields: tuple[str, ...] = MOVED,
    time_is_up: bool = False,
    in_sight: bool = True,
) -> Proof:
    """Judge a move by a day, unless a test names another edit."""
    event = an_event(image=seen) if isinstance(seen, Image) else seen
    return judge_proof(before, target, fields, event, time_is_up=time_is_up, in_sight=in_sight)


def moved_image(**fields: Any) -> Image:
    """Return what a read shows after the move, with other fields as named."""
    return an_image(timed("2026-06-03T09:00"), **{"conference": True} | fields)


@pytest.mark.parametrize("time_is_up", [True, False])
def test_the_target_read_back_is_proof(time_is_up: bool) -> None:
    """The only thing that makes an edit verified (law 6), early or late."""
    assert judged(TARGET, time_is_up=time_is_up) == Proven()


def test_a_providers_own_spelling_is_proof_as_well() -> None:
    """Another zone and other line ends are the same value."""
    target = an_image(description="a\nb")
    seen = an_image(timed(tzid="Asia/Tokyo"), description="a\r\nb\r\n")
    assert judged(seen, before=an_image(), target=target, fields=("description",)) == Proven()


@pytest.mark.parametrize(
    "other",
    [
        {"summary": "Retrospective"},
        {"description": "Other", "location": "Room 5"},
        {"transparency": "unknown"},
    ],
)
def test_somebody_elses_edit_of_another_field_does_not_spoil_the_proof(
    other: dict[str, Any],
) -> None:
    """What was asked is there, and nothing has been lost."""
    assert judged(moved_image(**other)) == Proven()


@pytest.mark.parametrize("time_is_up", [True, False])
@pytest.mark.parametrize(
    ("lost", "code", "fields"),
    [
        ({"location": ""}, Code.SIDE_EFFECT, ("location",)),
        ({"description": " "}, Code.SIDE_EFFECT, ("description",)),
        ({"summary": ""}, Code.SIDE_EFFECT, ("summary",)),
        ({"transparency": "transparent"}, Code.SIDE_EFFECT, ("transparency",)),
        ({"conference": False}, Code.CONFERENCE_LOST, ("conference",)),
        (
            {"conference": False, "location": ""},
            Code.CONFERENCE_LOST,
            ("location", "conference"),
        ),
    ],
)
def test_a_field_that_was_not_touched_and_is_gone_is_told(
    lost: dict[str, Any], code: Code, fields: tuple[str, ...], time_is_up: bool
) -> None:
    """The API does not promise to keep what is left out (cronofy-api §4.3, features §2, 20)."""
    assert judged(moved_image(**lost), time_is_up=time_is_up) == Mismatch(code=code, fields=fields)


def test_a_field_that_was_cleared_on_request_is_not_lost() -> None:
    """Only what the edit did not touch can be a side effect."""
    target = an_image(location="")
    assert judged(target, before=an_image(), target=target, fields=("location",)) == Proven()


def test_a_changed_transparency_on_request_is_not_lost() -> None:
    """As above, for the one field that is always sent."""
    target = an_image(transparency="transparent")
    assert judged(target, before=an_image(), target=target, fields=("transparency",)) == Proven()


def test_what_was_empty_before_cannot_be_lost() -> None:
    """An event without a place still has none."""
    before = an_image(location="", description="")
    target = an_image(timed("2026-06-03T09:00"), location="", description="")
    assert judged(target, before=before, target=target) == Proven()


@pytest.mark.parametrize("seen", [BEFORE, an_image(timed("2026-06-05T09:00")), None])
def test_until_time_is_up_nothing_is_held_against_an_edit(seen: Image | None) -> None:
    """A 202 may take effect minutes later (cronofy-api §9)."""
    assert judged(seen) == NotYet()


def test_the_before_image_at_the_end_means_no_effect() -> None:
    """Edits without permission have been answered 202 as well (cronofy-api §0, 3)."""
    assert judged(BEFORE, time_is_up=True) == Mismatch(code=Code.NO_EFFECT, fields=MOVED)


@pytest.mark.parametrize(
    ("seen", "fields"),
    [
        (an_image(timed("2026-06-05T09:00")), ("start", "end")),
        (an_image(timed("2026-06-03T09:00", minutes=30)), ("end",)),
    ],
)
def test_something_else_at_the_end_differs(seen: Image, fields: tuple[str, ...]) -> None:
    """Neither the old nor the new value: the fields tell where."""
    assert judged(seen, time_is_up=True) == Mismatch(code=Code.DIFFERS, fields=fields)


def test_a_moved_event_does_not_prove_a_new_title() -> None:
    """Both ends were sent with the title, so both must be there."""
    seen = an_image(timed("2026-06-05T09:00"), summary="Review")
    answer = judged(
        seen,
        before=an_image(),
        target=an_image(summary="Review"),
        fields=("summary",),
        time_is_up=True,
    )
    assert answer == Mismatch(code=Code.DIFFERS, fields=("start", "end"))


@pytest.mark.parametrize("before", ["unknown", "opaque"])
def test_a_transparency_that_nobody_tells_stays_unproven(before: str) -> None:
    """Calling it verified would be a claim, calling it a mismatch a slander."""
    edit: dict[str, Any] = {
        "before": an_image(transparency=before),
        "target": an_image(transparency="transparent"),
        "fields": ("transparency",),
    }
    seen = an_image(transparency="unknown")
    assert judged(seen, **edit) == NotYet()
    assert judged(seen, time_is_up=True, **edit) == Unproven(code=Code.NOT_READ_BACK)


def test_a_transparency_that_is_told_and_has_not_changed_is_no_effect() -> None:
    """This provider does tell it, so the edit is known not to have taken."""
    answer = judged(
        an_image(),
        before=an_image(),
        target=an_image(transparency="transparent"),
        fields=("transparency",),
        time_is_up=True,
    )
    assert answer == Mismatch(code=Code.NO_EFFECT, fields=("transparency",))


def test_an_untold_transparency_does_not_excuse_other_fields() -> None:
    """The title is told, and it is wrong."""
    answer = judged(
        an_image(summary="Retrospective", transparency="unknown"),
        before=an_image(),
        target=an_image(summary="Review", transparency="transparent"),
        fields=("summary", "transparency"),
        time_is_up=True,
    )
    assert answer == Mismatch(code=Code.DIFFERS, fields=("summary", "transparency"))


@pytest.mark.parametrize("image", [BEFORE, TARGET])
@pytest.mark.parametrize("time_is_up", [True, False])
def test_an_event_deleted_since_proves_nothing(image: Image, time_is_up: bool) -> None:
    """It was accepted; what became of it can no longer be seen."""
    gone = an_event(image=image, deleted=True)
    assert judged(gone, time_is_up=time_is_up) == Unproven(code=Code.GONE_SINCE)


def test_an_event_that_does_not_come_back_is_not_read_back() -> None:
    """Time ran out, which is not a failure of the edit."""
    assert judged(None, time_is_up=True) == Unproven(code=Code.NOT_READ_BACK)


def test_a_target_outside_of_the_window_is_called_so_when_time_is_up() -> None:
    """Until then `include_moved` may still show it."""
    assert judged(None, time_is_up=False, in_sight=False) == NotYet()
    answer = judged(None, time_is_up=True, in_sight=False)
    assert answer == Unproven(code=Code.OUT_OF_SIGHT)


def test_a_target_outside_of_the_window_that_is_shown_all_the_same_is_proof() -> None:
    """`include_moved` may show it (cronofy-api §3.1)."""
    assert judged(TARGET, in_sight=False) == Proven()


@pytest.mark.parametrize(
    ("before", "seen", "proof"),
    [
        ("Europe/Paris", "Asia/Tokyo", Proven()),
        ("Europe/Paris", "Europe/Paris", Mismatch(code=Code.NO_EFFECT, fields=("zone",))),
        ("Europe/Paris", "America/New_York", Mismatch(code=Code.DIFFERS, fields=("zone",))),
        ("Europe/Paris", "Etc/UTC", Mismatch(code=Code.DIFFERS, fields=("zone",))),
        # always UTC: this provider may not tell zones at all (cronofy-api §3.3)
        ("Etc/UTC", "Etc/UTC", Unproven(code=Code.NOT_READ_BACK)),
    ],
)
def test_a_zone_is_proven_where_zones_are_told(before: str, seen: str, proof: Proof) -> None:
    """Where they are not, nothing is claimed."""
    answer = judged(
        an_image(timed(tzid=seen)),
        before=an_image(timed(tzid=before)),
        target=an_image(timed(tzid="Asia/Tokyo")),
        fields=("zone",),
        time_is_up=True,
    )
    assert answer == proof


def test_what_is_told_is_judged_beside_what_is_not() -> None:
    """A time that is not there is a mismatch, whatever is known of zones."""
    answer = judged(
        an_image(),
        before=an_image(),
        target=an_image(timed("2026-06-03T09:00", tzid="Asia/Tokyo")),
        fields=("start", "end", "zone"),
        time_is_up=True,
    )
    assert answer == Mismatch(code=Code.NO_EFFECT, fields=("start", "end", "zone"))
