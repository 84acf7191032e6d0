"""Texts held against each other: what differs is shown, however long they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.report.contrast import SHOWN, contrast, in_one_line, shortened

LONG = "The minutes of all meetings of the last years. " * 90


def test_what_is_put_in_front_is_marked() -> None:
    """The old text stays as it is, so that nothing of it is marked."""
    old, new = contrast("Room 4", "Building B, Room 4")
    assert tuple(old) == ("", "", "Room 4")
    assert tuple(new) == ("", "Building B, ", "Room 4")


def test_short_texts_are_shown_whole() -> None:
    """There is nothing to be gained by cutting them."""
    old, new = contrast("Design review", "Design meeting")
    assert (old.whole, new.whole) == ("Design review", "Design meeting")


def test_of_long_texts_the_changed_part_is_shown() -> None:
    """A word in the middle of four thousand is what somebody has to see."""
    old, new = contrast(f"{LONG}Dial 1234.\n{LONG}", f"{LONG}Dial 9876.\n{LONG}")
    assert (old.changed, new.changed) == ("1234", "9876")
    assert old.lead.startswith("…")
    assert old.trail.endswith("…")
    assert len(old.whole) < SHOWN


def test_a_long_difference_is_cut_in_its_middle() -> None:
    """Its ends say most about it, and how much is left out is told."""
    _, new = contrast("", LONG)
    assert "characters) …" in new.changed
    assert len(new.whole) < 2 * SHOWN


def test_ends_of_lines_are_shown_and_never_made() -> None:
    """A title with a line break would begin a line of its own in a diff, and look like an edit."""
    assert in_one_line("a\r\nb\rc\nd") == "a⏎ b⏎ c⏎ d"
    assert "\n" not in shortened(LONG.replace(". ", ".\n"))
    assert len(shortened(LONG)) == SHOWN


@given(st.text(max_size=200), st.text(max_size=200))
def test_nothing_is_lost_of_short_texts_and_the_rest_is_alike(before: str, after: str) -> None:
    """What stands around the marked parts is the same on both sides."""
    old, new = contrast(before, after)
    for text, shown in ((before, old), (after, new)):
        if len(in_one_line(text)) <= SHOWN:
            assert shown.whole == in_one_line(text)
    if len(in_one_line(before)) <= SHOWN >= len(in_one_line(after)):
        assert (old.lead, old.trail) == (new.lead, new.trail)
        assert (in_one_line(before) == in_one_line(after)) is not bool(old.changed or new.changed)
