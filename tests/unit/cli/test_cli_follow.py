"""Following: until the end or until time is up, and never a busy loop."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from rich.console import Console

from tests.unit.cli.commands import NOBODY
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_look, a_store
from worker.cli.follow import LINE_EVERY_S, LOOK_EVERY_S, LineView, LiveView, Tempo, watch
from worker.clock import ManualClock
from worker.model import EditState
from worker.report import Snapshot, picture
from worker.settings import Settings
from worker.store import Store

SETTINGS = Settings.load({"CALPATCH_REDIS_URL": NOBODY})


class Seen:
    """A view that remembers."""

    def __init__(self) -> None:
        self.looks: list[Snapshot] = []
        self.paces: list[float | None] = []

    def show(self, look: Snapshot, *, edits_per_min: float | None, at_s: float) -> None:
        self.looks.append(look)
        self.paces.append(edits_per_min)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


async def test_an_ended_campaign_is_shown_once(store: Store) -> None:
    """There is nothing to wait for."""
    view = Seen()
    campaign = a_campaign(store, ONE_OF_EACH)
    look = await watch(SETTINGS, store, campaign.id, view=view, clock=a_clock())
    assert look.has_ended
    assert len(view.looks) == 1


async def test_waiting_ends_when_time_is_up(store: Store) -> None:
    """A pipeline's step must end, whatever the campaign does."""
    view, clock = Seen(), a_clock()
    campaign = a_campaign(store, [End(state=EditState.PENDING)])
    look = await watch(SETTINGS, store, campaign.id, view=view, wait_s=2.0, clock=clock)
    assert not look.has_ended
    assert clock.monotonic() == 2.0
    assert len(view.looks) == 1 + 2.0 / LOOK_EVERY_S


async def test_redis_being_down_does_not_stop_the_view(store: Store) -> None:
    """SQL knows how far the campaign is; the fault is shown beside it."""
    campaign = a_campaign(store, [End(state=EditState.PENDING)])
    look = await watch(SETTINGS, store, campaign.id, view=Seen(), wait_s=0, clock=a_clock())
    assert "does not answer" in look.limiter_fault


async def test_what_the_check_raises_ends_it(store: Store) -> None:
    """The demo does not wait a minute for a worker that has died."""
    campaign = a_campaign(store, [End(state=EditState.PENDING)])

    def check() -> None:
        raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        await watch(SETTINGS, store, campaign.id, view=Seen(), check=check, clock=a_clock())


def test_lines_come_rarely_and_only_when_something_changed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of a night's run stays readable; its end is always there."""
    open_ = a_look(store, a_campaign(store, [End(state=EditState.PENDING)], name="c_1"))
    moved = a_look(store, a_campaign(store, [End(state=EditState.SENDING)], name="c_2"), due_s=9.0)
    ended = a_look(store, a_campaign(store, ONE_OF_EACH, name="c_3"))
    with LineView() as view:
        for look, at_s in (
            (open_, 0.0), (open_, LINE_EVERY_S), (moved, 1.0), (moved, LINE_EVERY_S), (ended, 3.1),
        ):  # fmt: skip
            view.show(look, edits_per_min=None, at_s=at_s)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_time_that_runs_down_is_no_news_but_silence_ends_after_a_minute(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an hour of a locked account is thirty lines, not six hundred."""
    campaign = a_campaign(store, [End(state=EditState.PENDING)])
    alive = {"clock": 1.0, "worker:h:1": 1.0}
    with LineView() as view:
        for second in range(0, 121, 5):
            look = a_look(store, campaign, due_s=1800.0 - second, pulses=alive)
            view.show(look, edits_per_min=None, at_s=float(second))
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_the_pace_is_that_of_the_last_half_minute() -> None:
    """A slow start an hour ago says nothing about now."""
    tempo = Tempo()
    tempo.note(0, at_s=0.0)
    assert tempo.per_min is None
    tempo.note(100, at_s=1000.0)
    tempo.note(150, at_s=1010.0)
    assert tempo.per_min == 300.0


def a_clock() -> ManualClock:
    """Return a clock that moves only when slept on."""
    return ManualClock(datetime(2026, 6, 1, 12, tzinfo=UTC))


def test_a_terminal_gets_one_picture_in_place_and_the_last_one_whole(store: Store) -> None:
    """Nothing scrolls while it moves; what stays on the screen is the end."""
    open_ = a_look(store, a_campaign(store, [End(state=EditState.PENDING)], name="c_1"))
    ended = a_look(store, a_campaign(store, ONE_OF_EACH, name="c_2"))
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=12)
    with LiveView(console) as view:
        view.show(open_, edits_per_min=None, at_s=0.0)
        view.show(ended, edits_per_min=60.0, at_s=1.0)
        moving = screen.getvalue()
    erased, _, last = screen.getvalue().rpartition("\x1b[2K")
    assert erased.startswith(moving)
    assert "… and 4 more" in moving
    assert "… and" not in last
    assert last.count("completed with errors") == 1
    assert all(str(end.state) in last for end in ONE_OF_EACH)


def test_no_color_is_honoured(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org: a person's wish, also on a terminal."""
    monkeypatch.setenv("NO_COLOR", "1")
    ended = a_look(store, a_campaign(store, ONE_OF_EACH))
    console = Console(file=StringIO(), force_terminal=True, width=100)
    console.print(picture(ended))
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", console.file.getvalue())  # type: ignore[attr-defined]
