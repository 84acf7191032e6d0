"""What is to be looked at twice before a change is made."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.builders import all_day, an_image, timed
from tests.unit.report.outcomes import AT, PARIS, an_outcome, at
from worker.model import AllDay, Image, Policy
from worker.report.cautions import CAUTION_HELP, MANY, cautions_of


def named(
    before: Image, target: Image, *, policy: Policy | None = None, **fields: Any
) -> list[str]:
    """Return the names of a change's cautions."""
    outcome = an_outcome(before, target, **fields)
    return list(cautions_of(outcome, policy=policy or Policy(), at=AT))


def test_an_ordinary_change_has_none() -> None:
    """Warnings that are always there are read by nobody."""
    assert named(at("2026-03-10T13:00"), at("2026-03-10T14:00")) == []


def test_a_change_of_the_clocks_between_is_told() -> None:
    """Guests in other zones see another hour than before."""
    assert named(at("2026-03-27T13:00"), at("2026-04-03T12:00")) == ["clocks_change"]


def test_another_zone_is_no_change_of_the_clocks() -> None:
    """The offsets differ, and no clock goes forward or back."""
    assert named(at("2026-03-10T13:00"), at("2026-03-10T13:00", tzid="America/New_York")) == []


def test_a_time_that_comes_twice_is_told() -> None:
    """02:30 on the 25th of October is there twice in Paris, whoever moved it there."""
    before = at("2026-10-24T22:00", minutes=15)
    assert "time_twice" in named(before, at("2026-10-25T00:30", minutes=15))
    assert "time_twice" in named(before, at("2026-10-25T01:30", minutes=15))
    assert "time_twice" not in named(before, at("2026-10-25T02:30", minutes=15))


@pytest.mark.parametrize("start", ["2026-03-29T00:30", "2026-03-29T01:30"])
def test_a_time_beside_a_skipped_one_is_told_where_the_campaign_chooses(start: str) -> None:
    """02:30 on the 29th of March is put to 01:30 or to 03:30, as the campaign says."""
    before, target = at("2026-03-28T01:30", minutes=15), at(start, minutes=15)
    chosen = named(before, target, policy=Policy(dst_gap="later"))
    assert "time_skipped" in chosen
    assert "time_skipped" not in named(before, target)


def test_other_texts_bring_no_word_of_clocks() -> None:
    """The event was in the repeated hour before, and nobody moves it."""
    before = at("2026-10-25T00:30")
    assert named(before, at("2026-10-25T00:30", summary="Other")) == []


def test_links_long_texts_and_many_guests_are_told() -> None:
    """Each for a reason of its own."""
    before = at("2026-03-10T13:00", conference=True, description="x" * 5000)
    target = at("2026-03-10T14:00", conference=True, description="x" * 5000)
    found = named(before, target, people=MANY)
    assert found == ["conference_link", "long_description", "many_guests"]


def test_events_that_have_ended_are_told_and_those_that_would_have() -> None:
    """Guests of old events are mailed like others."""
    old, new = at("2026-02-27T13:00"), at("2026-03-10T13:00")
    assert named(old, new) == ["past_event"]
    assert named(new, old) == ["into_the_past"]
    days = an_image(all_day("2026-02-20")), an_image(all_day("2026-02-21"))
    assert named(*days) == ["past_event"]


def test_there_is_nothing_to_look_at_without_a_change() -> None:
    """What is skipped stays as it is."""
    assert list(cautions_of(an_outcome(), policy=Policy(), at=AT)) == []


def test_the_ends_of_time_raise_nothing() -> None:
    """Calendars hold every date there is."""
    last = an_image(AllDay(start=date(9999, 12, 30), end=date(9999, 12, 31)))
    assert named(last, last) == []
    policy = Policy(dst_gap="later")
    times = [an_image(timed(f"{year}T01:00", tzid=PARIS)) for year in ("9999-12-31", "0001-01-01")]
    assert named(times[0], times[1], policy=policy)


def test_every_caution_has_its_sentence() -> None:
    """A name alone explains nothing."""
    assert all(text.endswith(".") for text in CAUTION_HELP.values())
