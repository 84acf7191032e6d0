"""Following a campaign until it ends: the live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from worker.cli.context import pace_of, snapshot
from worker.cli.exits import ExitCode, exit_of
from worker.cli.talk import console_for_talk, tell
from worker.clock import Clock, SystemClock
from worker.errors import LimiterUnavailable
from worker.limits import Limiter, LimiterState
from worker.report import MOVING, Snapshot, picture, plain_line, why_it_waits
from worker.settings import Settings
from worker.store import Store

#: seconds between two looks
LOOK_EVERY_S = 0.5
#: looking takes at most this part of the time, however large the campaign
LOOK_SHARE = 0.2
#: seconds between two plain lines
LINE_EVERY_S = 3.0
#: seconds after which there is a line though nothing has changed: while it sends, and while it
#: waits for somebody or for its hours
LINE_AT_LATEST_S, LINE_WAITING_S = 60.0, 600.0
#: seconds over which the pace is measured
PACE_OVER_S = 30.0


class View(Protocol):
    """Where looks are shown."""

    def show(self, look: Snapshot, *, edits_per_min: float | None, at_s: float) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LiveView:
    """Draws the picture in place, as much as fits; the last one stays on the screen, whole.

    Unless `stays` is False: then what comes next tells more.
    """

    def __init__(self, console: Console, *, stays: bool = True) -> None:
        self._console = console
        self._stays = stays
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last: Snapshot | None = None
        self._pace: float | None = None

    def show(self, look: Snapshot, *, edits_per_min: float | None, at_s: float) -> None:  # noqa: ARG002
        """Draw a look."""
        self._last, self._pace = look, edits_per_min
        # One line is the cursor's; a picture higher than the window would scroll with each look.
        room = self._console.height - 1
        drawn = picture(look, edits_per_min=edits_per_min, most_lines=room)
        self._live.update(drawn, refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
        if self._stays and self._last is not None:
            self._console.print(picture(self._last, edits_per_min=self._pace))


class LineView:
    """Says one line every few seconds, only when something changed; the last look always.

    A time that runs down is no change; once a minute there is a line all the same, more rarely
    where nothing can happen by itself.
    """

    def __init__(self) -> None:
        self._last: object = None
        self._next_s = 0.0
        self._at_latest_s = 0.0

    def show(self, look: Snapshot, *, edits_per_min: float | None, at_s: float) -> None:  # noqa: ARG002
        """Say a look."""
        why = re.sub(r"\d+", "#", why_it_waits(look))
        now = (look.campaign.state, look.by_state, why)
        is_news = now != self._last and (at_s >= self._next_s or look.has_ended)
        if is_news or at_s >= self._at_latest_s:
            tell(plain_line(look))
            self._last, self._next_s = now, at_s + LINE_EVERY_S
            stands = look.campaign.state not in MOVING
            self._at_latest_s = at_s + (LINE_WAITING_S if stands else LINE_AT_LATEST_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing to be cleaned up."""


def follow(
    settings: Settings,
    store: Store,
    campaign_id: str,
    *,
    wait_s: float | None = None,
    check: Callable[[], None] | None = None,
    is_over: Callable[[Snapshot], bool] | None = None,
) -> tuple[Snapshot, ExitCode]:
    """Show a campaign until it has ended or `wait_s` is over; Ctrl-C leaves it running.

    `is_over` ends it as well: what is waited for may be something else.
    `check` is asked before each look; what it raises ends the following.
    """
    console = console_for_talk()
    view = LiveView(console) if console.is_terminal else LineView()
    try:
        with view:
            look = asyncio.run(
                watch(
                    settings,
                    store,
                    campaign_id,
                    view=view,
                    wait_s=wait_s,
                    check=check,
                    is_over=is_over,
                )
            )
    except KeyboardInterrupt:
        tell(f"The campaign is left as it is. To see it again: {reattach(campaign_id)}")
        raise
    code = exit_of(look)
    if code is ExitCode.STILL_RUNNING and not (is_over is not None and is_over(look)):
        tell(f"Still running after {wait_s:g} s. To wait again: {reattach(campaign_id)}")
    return look, code


def reattach(campaign_id: str) -> str:
    """Return the command that follows a campaign again."""
    return f"calpatch status {campaign_id} --watch"


async def watch(
    settings: Settings,
    store: Store,
    campaign_id: str,
    *,
    view: View,
    wait_s: float | None = None,
    check: Callable[[], None] | None = None,
    is_over: Callable[[Snapshot], bool] | None = None,
    clock: Clock | None = None,
) -> Snapshot:
    """Show looks until the campaign has ended or time is up; returns the last one."""
    from worker.app import limiter_of

    clock = clock or SystemClock()
    pace, limiter = pace_of(settings), limiter_of(settings)
    until_s = clock.monotonic() + wait_s if wait_s is not None else float("inf")
    tempo = Tempo()
    try:
        while True:
            began_s = clock.monotonic()
            if check is not None:
                check()
            state, fault = await _state(limiter)
            look = snapshot(store, campaign_id, pace=pace, limiter=state, limiter_fault=fault)
            tempo.note(look.progress().done, at_s=began_s)
            view.show(look, edits_per_min=tempo.per_min, at_s=began_s)
            now_s = clock.monotonic()
            is_there = is_over is not None and is_over(look)
            if look.has_ended or is_there or now_s >= until_s:
                return look
            pause_s = max(LOOK_EVERY_S, (now_s - began_s) * (1 / LOOK_SHARE - 1))
            await clock.sleep(min(pause_s, until_s - now_s))
    finally:
        await limiter.aclose()


async def _state(limiter: Limiter) -> tuple[LimiterState | None, str]:
    try:
        return await limiter.state(), ""
    except LimiterUnavailable as down:
        return None, down.message


class Tempo:
    """How fast edits end, measured over the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, done: int, *, at_s: float) -> None:
        """Remember how many had ended at a moment."""
        self._seen.append((at_s, done))
        while at_s - self._seen[0][0] > PACE_OVER_S:
            self._seen.popleft()

    @property
    def per_min(self) -> float | None:
        """Edits a minute; None before two looks a second apart."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return 60 * (last - first) / (last_s - first_s) if last_s - first_s >= 1 else None
