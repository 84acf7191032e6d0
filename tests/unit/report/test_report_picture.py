"""The live picture: everything in it is in the snapshot, and it fits any terminal."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_limiter, a_look, a_store
from worker.model import Code, EditState
from worker.report import Snapshot, picture
from worker.report.picture import TRACK, WIDEST, _track, blocks_of
from worker.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def drawn(look: Snapshot, *, width: int = 100, per_min: float | None = None) -> str:
    """Return the picture as text."""
    console = Console(file=StringIO(), width=width, record=True)
    console.print(picture(look, edits_per_min=per_min))
    return console.export_text()


def test_a_running_picture_tells_how_far_how_fast_and_why(store: Store) -> None:
    """One look answers the questions that people ask while they wait."""
    campaign = a_campaign(store, [End(state=EditState.VERIFIED), End(state=EditState.PENDING)])
    pulses = {"clock": 1.0, "worker:h:1": 1.0}
    look = a_look(store, campaign, limiter=a_limiter(), pulses=pulses, calls_left=700, due_s=12.0)
    text = drawn(look, per_min=331.4)
    for part in (
        "key-c_1", "running", "1/2  50.0 %", "ETA 2m00s", "331 edits/min",
        "3/35 calls in the last second, 12/350 in the last minute",
        "next try in 12s", "waiting for their turn",
    ):  # fmt: skip
        assert part in text


def test_an_ended_picture_lists_every_outcome_with_its_sentence(store: Store) -> None:
    """The last picture stays on the screen; it is the report for most people."""
    text = drawn(a_look(store, a_campaign(store, ONE_OF_EACH)), width=120)
    assert "8/8  100.0 %" in text
    assert "completed with errors" in text
    for end in ONE_OF_EACH:
        assert str(end.state) in text
    assert "skipped: recurring" in text
    assert "The event is part of a series" in text


def test_a_narrow_terminal_loses_no_figures(store: Store) -> None:
    """Half a window beside an editor is how people watch."""
    ends = [*ONE_OF_EACH, *[End(state=EditState.SKIPPED, code=Code.CALENDAR_READ_ONLY)] * 12]
    look = a_look(store, a_campaign(store, ends))
    for most_lines in (None, 30):
        console = Console(file=StringIO(), width=60, record=True)
        console.print(picture(look, most_lines=most_lines))
        text = console.export_text()
        assert "20/20  100.0 %" in text
        assert "skipped: calendar_read_only 12" in " ".join(text.split())
        assert max(len(line) for line in text.splitlines()) <= 60


def test_a_small_window_shows_the_largest_outcomes_and_how_many_are_left(store: Store) -> None:
    """A picture higher than the window would scroll by with every look."""
    campaign = a_campaign(store, [*ONE_OF_EACH, *[ONE_OF_EACH[2]] * 3])
    console = Console(file=StringIO(), width=100, record=True)
    console.print(picture(a_look(store, campaign), most_lines=10))
    lines = console.export_text().splitlines()
    assert len(lines) <= 10
    assert any("skipped: recurring" in line for line in lines)
    assert lines[-1].startswith("… and 5 more")
    assert any(line.split()[:3] == ["skipped:", "recurring", "4"] for line in lines)


def test_a_hostile_key_is_not_obeyed(store: Store) -> None:
    """Campaign keys and limiter faults are shown, never interpreted, as markup or as escapes."""
    campaign = a_campaign(store, [End(state=EditState.PENDING)])
    look = a_look(store, campaign, limiter_fault="[red]\x1b[31m no [/red]", limiter=None)
    text = drawn(look)
    assert "\\x1b[31m no" in text
    assert "[red]" in text


@pytest.mark.parametrize(
    ("count", "most", "length"), [(1, 10_000, 1), (10, 10, WIDEST), (5, 10, 12)]
)
def test_bars_are_in_proportion_and_never_empty(count: int, most: int, length: int) -> None:
    """One failure among ten thousand must be seen."""
    assert len(blocks_of(count, most=most)) == length


def test_what_is_accepted_shows_in_the_bar_but_not_as_done(store: Store) -> None:
    """Law 6: 202 is not done; but a bar that stands still when all has been sent is no help."""
    campaign = a_campaign(store, [End(state=EditState.VERIFIED), End(state=EditState.ACCEPTED)])
    look = a_look(store, campaign)
    track = _track(look, "cyan")
    assert [(len(track.plain[s.start : s.end]), str(s.style)) for s in track.spans] == [
        (TRACK // 2, "dim cyan")
    ]
    assert "1/2  50.0 %" in drawn(look)


def test_open_edits_are_shown_once_by_state(store: Store) -> None:
    """An edit that waits for another try keeps its last code, which is no outcome."""
    campaign = a_campaign(store, [End(state=EditState.PENDING), End(state=EditState.PENDING)])
    counts = {(EditState.PENDING, ""): 1, (EditState.PENDING, str(Code.UPSTREAM)): 1}
    text = drawn(a_look(store, campaign, counts=counts))
    assert text.count("pending") == 1
    assert "upstream" not in text
