"""One edit as it is shown: its changes in words, whom it concerns, how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import all_day, an_image
from tests.unit.report.outcomes import a_line, an_outcome, at
from worker.model import Code, EditState, Policy
from worker.report import visible
from worker.report.headline import told_line
from worker.report.lines import GROUPING, GROUPS, needs_attention, takes_effect

BEFORE, AFTER = at("2026-03-02T13:00"), at("2026-03-02T14:00")
INTERNAL = Policy(internal_domains=("acme.com",))


def told(*args: Any, **fields: Any) -> list[str]:
    """Return an edit in the lines of a terminal."""
    return [visible(line) for line in told_line(a_line(*args, **fields))]


def test_a_move_names_day_and_zone_once() -> None:
    """Whoever reads hundreds of them looks for what differs."""
    assert told(BEFORE, AFTER) == [
        '~ line 2  evt_external_1  "Planning"',
        "    time: Mon 2026-03-02 14:00–15:00 → 15:00–16:00 Europe/Paris (+60 min)",
    ]


def test_a_move_to_another_day_names_both() -> None:
    """The hours alone would look like the same day."""
    assert told(BEFORE, at("2026-03-03T13:00"))[1] == (
        "    time: Mon 2026-03-02 14:00–15:00 → Tue 2026-03-03 14:00–15:00 Europe/Paris (+1 day)"
    )


def test_a_move_across_a_change_of_the_clocks_has_both_offsets() -> None:
    """The zone's name alone hides it."""
    lines = told(at("2026-03-28T13:00"), at("2026-03-29T12:00"))
    assert lines[1] == (
        "    time: Sat 2026-03-28 14:00–15:00 UTC+1 → Sun 2026-03-29 14:00–15:00 UTC+2"
        " Europe/Paris (+1 day, +23 h in real time)"
    )
    assert lines[2].startswith("    warn: The clocks change")


def test_another_zone_is_told_with_both_offsets() -> None:
    """It is the same moment, and reads like another one."""
    shown = told(BEFORE, at("2026-03-02T13:00", tzid="America/New_York"))[1]
    assert shown == (
        "    time: Mon 2026-03-02 14:00–15:00 UTC+1 Europe/Paris → 08:00–09:00 UTC-5"
        " America/New_York (shown in another zone, at the same moment)"
    )


def test_whole_days_are_named_as_days() -> None:
    """They have neither hours nor a zone."""
    lines = told(an_image(all_day("2026-03-02")), an_image(all_day("2026-03-09")))
    assert lines[1] == "    time: Mon 2026-03-02, all day → Mon 2026-03-09, all day (+7 days)"


def test_cleared_and_new_texts_read_as_such() -> None:
    """An empty text on either side of an arrow is easily overlooked."""
    lines = told(at("2026-03-02T13:00", description=""), at("2026-03-02T13:00", location=""))
    assert lines[0].endswith("Mon 2026-03-02 14:00–15:00 Europe/Paris")
    assert lines[1:] == [
        '    description: nothing → "What comes next"',
        '    location: "Room 4" → nothing',
    ]


def test_what_does_not_print_is_written_out_and_breaks_no_line() -> None:
    """A title cannot draw a line of its own, nor turn the direction of what follows."""
    lines = told(BEFORE, at("2026-03-02T13:00", summary="a\n~ line 3\u202e\x1b[2J"))
    assert lines[1] == '    summary: "Planning" → "a⏎ ~ line 3\\u202e\\x1b[2J"'


@pytest.mark.parametrize(
    ("policy", "people", "said"),
    [
        (Policy(), 1, "1 guest"),
        (Policy(), 3, "3 guests"),
        (INTERNAL, 1, "1 guest (0 external)"),
        (INTERNAL, 1200, "1,200 guests (0 external)"),
    ],
)
def test_guests_are_counted_in_plain_english(policy: Policy, people: int, said: str) -> None:
    """Who is external is told only where the campaign says who is not."""
    first = told(BEFORE, AFTER, policy=policy, people=people, externals=0)[0]
    assert first.endswith(f"  {said}")


def test_a_conflict_has_three_values() -> None:
    """What it was, what it should become, what it is: only then can somebody decide."""
    seen = at("2026-03-02T17:00", location="Their room")
    target = at("2026-03-02T14:00", location="Room 5")
    fields = {"state": EditState.CONFLICT, "code": Code.CHANGED_ELSEWHERE, "seen": seen}
    lines = told(BEFORE, target, **fields)
    assert lines[0].startswith("! line 2")
    assert "    time is now: Mon 2026-03-02 18:00–19:00 Europe/Paris" in lines
    assert '    location is now: "Their room"' in lines
    assert lines[-1].startswith("    conflict: changed_elsewhere  Somebody changed")
    [time, place] = a_line(BEFORE, target, **fields).changes
    assert time.now == "Mon 2026-03-02 18:00–19:00 Europe/Paris"
    assert (place.before, place.after, place.now) == ("Room 4", "Room 5", "Their room")


def test_what_a_plan_leaves_alone_is_shown_with_its_reason() -> None:
    """A uid tells nobody which meeting stays where it was."""
    lines = told(state=EditState.SKIPPED, code=Code.RECURRING, seen=BEFORE)
    assert lines == [
        '- line 2  evt_external_1  "Planning"  Mon 2026-03-02 14:00–15:00 Europe/Paris',
        "    skipped: recurring  The event is part of a series; Cronofy does not edit those.",
    ]


def test_an_event_that_nobody_has_read_has_no_title_made_up() -> None:
    """An empty title would look like one."""
    assert told() == ["? line 2  evt_external_1"]


@pytest.mark.parametrize(
    ("state", "code", "needs"),
    [
        (EditState.VERIFIED, Code.VERIFIED, False),
        (EditState.UNVERIFIED, Code.NO_PROOF_ASKED, False),
        (EditState.UNVERIFIED, Code.NOT_READ_BACK, True),
        (EditState.FAILED, Code.UPSTREAM, True),
        (EditState.MISMATCH, Code.DIFFERS, True),
        (EditState.SKIPPED, Code.RECURRING, False),
    ],
)
def test_what_needs_attention(state: EditState, code: Code, needs: bool) -> None:
    """As failed.csv has it."""
    assert needs_attention(str(state), code) is needs


def test_only_what_is_or_would_be_changed_takes_effect() -> None:
    """Nobody is mailed about the rest."""
    states = {state for state in EditState if takes_effect(an_outcome(BEFORE, AFTER, state=state))}
    assert states == {
        EditState.PENDING, EditState.SENDING, EditState.ACCEPTED, EditState.VERIFIED,
        EditState.UNVERIFIED, EditState.MISMATCH,
    }  # fmt: skip
    assert not takes_effect(an_outcome(None, AFTER))


def test_every_group_has_a_name_for_every_line() -> None:
    """A blank name in a table of groups cannot be told from a fault."""
    known = at("2026-03-02T13:00", organizer="ann@acme.com")
    lines = (a_line(known, AFTER), a_line(BEFORE, AFTER), a_line())
    names = [[GROUPING[group](line) for group in GROUPS] for line in lines]
    assert names == [
        ["change", "ann@acme.com", "acc_1", "2026-03-02"],
        ["change", "nobody named", "acc_1", "2026-03-02"],
        ["waiting", "not known", "acc_1", "day not known"],
    ]
