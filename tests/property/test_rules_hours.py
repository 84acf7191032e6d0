"""Openings, against a search that tries each minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import utc
from worker.model import Run, Window
from worker.rules import is_open, opens_at

#: Each with midnight in UTC of a day on which its clocks are changed, forward and back.
CHANGES = {
    "Europe/Paris": ("2026-03-29T00:00", "2026-10-25T00:00"),
    "Australia/Lord_Howe": ("2026-10-03T12:00", "2026-04-04T12:00"),
    "Africa/Casablanca": ("2026-03-22T00:00", "2026-02-15T00:00"),
    "America/Havana": ("2026-03-08T00:00", "2026-11-01T00:00"),
    "Etc/UTC": ("2026-06-01T00:00",),
}
MINUTE = timedelta(minutes=1)
#: minutes; whatever opens does so within two days and the hour that a clock is put forward
SEARCHED = 2 * 1440 + 60

#: Mostly in the first hours of a day, in which clocks are changed.
minutes = st.integers(0, 16).map(lambda quarters: 15 * quarters) | st.integers(0, 1439)


@st.composite
def runs_and_moments(draw: st.DrawFn) -> tuple[Run, datetime]:
    """Draw hours in a zone or two, and a moment not long before the clocks of one are changed."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    zones = st.sampled_from([zone, zone, "Etc/UTC"])
    windows = st.builds(Window, since=minutes, until=minutes, tzid=zones).filter(
        lambda window: window.since != window.until
    )
    midnight = utc(draw(st.sampled_from(CHANGES[zone])))
    moments = st.integers(-300, 300).map(lambda after: midnight + after * MINUTE)
    run = Run(
        at=draw(st.none() | moments),
        deadline=draw(st.none() | moments.map(lambda moment: moment + timedelta(hours=6))),
        windows=tuple(draw(st.lists(windows, max_size=2))),
        quiet=tuple(draw(st.lists(windows, max_size=2))),
    )
    return run, draw(moments)


@given(drawn=runs_and_moments())
@settings(max_examples=150)
def test_it_opens_at_the_first_minute_that_is_open(drawn: tuple[Run, datetime]) -> None:
    """Neither a minute early, when people sleep, nor a minute late."""
    run, now = drawn
    opening = opens_at(run, now)
    found = (now + number * MINUTE for number in range(SEARCHED))
    first = next((moment for moment in found if is_open(run, moment)), None)
    if first is None:
        assert opening is None or opening >= now + SEARCHED * MINUTE
    else:
        assert opening == first


@given(drawn=runs_and_moments())
def test_an_opening_is_open_and_opens_at_itself(drawn: tuple[Run, datetime]) -> None:
    """Whoever waits for it and asks again is let through."""
    run, now = drawn
    opening = opens_at(run, now)
    if opening is not None:
        assert opening >= now
        assert is_open(run, opening)
        assert opens_at(run, opening) == opening
