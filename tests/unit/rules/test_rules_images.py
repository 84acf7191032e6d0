"""Comparing images: what counts as the same, and what as proof."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.builders import all_day, an_image, timed, utc
from worker.model import Image, Timed, When
from worker.rules import FIELDS, changed, differences, missing, normalised, same_when
from worker.rules.images import both_ends, untold, with_fields


def test_equal_images_do_not_differ() -> None:
    """The base of all: an image equals itself."""
    assert differences(an_image(), an_image()) == ()


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (an_image(timed("2026-06-02T09:30", minutes=30)), ("start",)),
        (an_image(timed(minutes=30)), ("end",)),
        (an_image(timed("2026-06-03T09:00")), ("start", "end")),
        (an_image(all_day()), ("start", "end")),
        (an_image(summary="Review"), ("summary",)),
        (an_image(description="", location=""), ("description", "location")),
        (an_image(transparency="transparent"), ("transparency",)),
    ],
)
def test_each_field_is_named_where_it_differs(other: Image, fields: tuple[str, ...]) -> None:
    """Reports and conflicts name fields, in one fixed order."""
    assert differences(an_image(), other) == fields
    assert differences(other, an_image()) == fields


def test_midnight_is_not_the_day_it_begins() -> None:
    """An all-day event that became a timed one has changed, even if both begin at one instant."""
    midnight = an_image(timed("2026-06-02T00:00", minutes=1440))
    assert differences(an_image(all_day("2026-06-02")), midnight) == ("start", "end")


@pytest.mark.parametrize(
    "other",
    [
        an_image(timed(tzid="Europe/Paris")),
        an_image(description="What comes next\n\n"),
        an_image(summary="  Planning "),
        an_image(transparency="unknown"),
        an_image(conference=True),
    ],
)
def test_what_providers_change_by_themselves_is_no_difference(other: Image) -> None:
    """Zones come back best-effort, texts with other white space (cronofy-api §3.3, §9)."""
    assert differences(an_image(), other) == ()


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_line_ends_are_no_difference(line_end: str) -> None:
    """Exchange sends CRLF back for what was sent as LF."""
    assert differences(an_image(description="a\nb"), an_image(description=f"a{line_end}b")) == ()


def test_white_space_inside_a_text_counts() -> None:
    """Only what surrounds a text is a provider's affair."""
    assert differences(an_image(summary="a  b"), an_image(summary="a b")) == ("summary",)


def test_normalised_images_are_equal_where_nothing_differs() -> None:
    """The normal form says in one value what the comparison says in names."""
    paris = datetime(2026, 6, 2, 11, tzinfo=ZoneInfo("Europe/Paris"))
    one = an_image(timed(tzid="Europe/Paris"), summary=" x\r\ny ")
    two = an_image(Timed(start=paris, end=utc("2026-06-02T10:00")), summary="x\ny")
    assert normalised(one) == normalised(two)
    assert differences(one, two) == ()


def test_whole_days_are_normal_already() -> None:
    """Dates have no zone."""
    assert normalised(an_image(all_day())).when == all_day()


def test_times_are_the_same_whatever_zones_they_show() -> None:
    """A shift is known again by where it put the event, not by how a provider shows it."""
    assert same_when(timed(), timed(tzid="Asia/Tokyo"))
    assert not same_when(timed(), timed(minutes=61))
    assert not same_when(timed(), all_day())


def test_an_unknown_transparency_proves_nothing() -> None:
    """Nothing speaks against it, yet nothing shows the value that was asked for."""
    asked, seen = an_image(transparency="transparent"), an_image(transparency="unknown")
    assert differences(asked, seen) == ()
    assert missing(asked, seen) == ("transparency",)


def test_missing_asks_about_the_given_fields_only() -> None:
    """Whatever the edit did not touch is not part of its proof."""
    target, seen = an_image(summary="Review"), an_image(location="Room 5")
    assert missing(target, seen) == ("summary", "location")
    assert missing(target, seen, fields=("summary", "start")) == ("summary",)


def test_fields_are_fields_of_the_image_or_ends_of_its_time() -> None:
    """A field renamed in the model must not silently drop out of every comparison."""
    of_image = set(Image.__struct_fields__) - {"when", "conference", "organizer"}
    assert set(FIELDS) == of_image | {"start", "end"}


# ---------------------------------------------------------------- zones


PARIS, TOKYO = an_image(timed(tzid="Europe/Paris")), an_image(timed(tzid="Asia/Tokyo"))


def test_zones_are_looked_at_where_an_edit_changes_them() -> None:
    """And nowhere else: not every provider tells them."""
    assert changed(PARIS, TOKYO) == ("zone",)
    assert differences(PARIS, TOKYO) == missing(PARIS, TOKYO) == ()
    assert differences(PARIS, TOKYO, fields=("zone", "summary")) == ("zone",)
    assert missing(PARIS, TOKYO, fields=("zone",)) == ("zone",)
    assert changed(PARIS, an_image(timed(tzid="Europe/Paris", end_tzid="Asia/Tokyo"))) == ("zone",)
    assert changed(PARIS, an_image(all_day())) == ("start", "end", "zone")
    assert changed(PARIS, PARIS) == ()


@pytest.mark.parametrize(
    ("fields", "when"),
    [
        ((), timed(tzid="Europe/Paris")),
        (("summary",), timed(tzid="Europe/Paris")),
        (("start",), timed("2026-06-09T09:00", tzid="Europe/Paris")),
        (("end",), timed("2026-06-09T09:00", tzid="Europe/Paris")),
        (("zone",), timed(tzid="Asia/Tokyo")),
        (("start", "end", "zone"), timed("2026-06-09T09:00", tzid="Asia/Tokyo")),
    ],
)
def test_times_and_zones_are_taken_over_apart(fields: tuple[str, ...], when: When) -> None:
    """Of the ends both or none."""
    source = an_image(timed("2026-06-09T09:00", tzid="Asia/Tokyo"), location="Room 9")
    assert with_fields(PARIS, source, fields=fields) == an_image(when)


@pytest.mark.parametrize(
    ("current", "source", "fields", "when"),
    [
        (all_day(), timed(), ("zone",), all_day()),
        (all_day(), timed(tzid="Asia/Tokyo"), ("start",), timed(tzid="Asia/Tokyo")),
        (timed(tzid="Asia/Tokyo"), all_day(), ("zone",), timed(tzid="Asia/Tokyo")),
        (timed(), all_day(), ("start", "zone"), all_day()),
    ],
)
def test_whole_days_have_no_zone_to_take_over(
    current: When, source: When, fields: tuple[str, ...], when: When
) -> None:
    """Nor one to give."""
    taken = with_fields(an_image(current), an_image(source), fields=fields)
    assert taken == an_image(when)


def test_texts_are_taken_over_by_name() -> None:
    """And nothing beside them."""
    source = an_image(summary="a", description="b", location="c", transparency="transparent")
    taken = with_fields(an_image(), source, fields=("summary", "transparency"))
    assert taken == an_image(summary="a", transparency="transparent")


@pytest.mark.parametrize(
    ("fields", "both"),
    [
        ((), ()),
        (("summary",), ("summary",)),
        (("zone",), ("zone",)),
        (("end", "zone"), ("start", "end", "zone")),
        (("start", "summary"), ("start", "end", "summary")),
    ],
)
def test_the_ends_are_one(fields: tuple[str, ...], both: tuple[str, ...]) -> None:
    """Both are sent whenever one of them changes."""
    assert both_ends(fields) == both


@pytest.mark.parametrize(
    ("before", "seen", "fields"),
    [
        (an_image(), an_image(), {"zone"}),
        (an_image(), an_image(transparency="unknown"), {"zone", "transparency"}),
        (PARIS, an_image(), set()),
        (an_image(), PARIS, set()),
        (an_image(all_day()), an_image(all_day()), set()),
    ],
)
def test_what_a_provider_does_not_tell_is_known_by_what_it_shows(
    before: Image, seen: Image, fields: set[str]
) -> None:
    """Always UTC, or always unknown (cronofy-api §3.3)."""
    assert untold(before, seen) == fields
