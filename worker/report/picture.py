"""The live picture of a campaign for a terminal: how far, how fast, why it waits, what came out."""

from __future__ import annotations

from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.limits import LimiterState
from worker.model import CampaignState, EditState
from worker.report.cells import visible
from worker.report.reasons import why_it_waits
from worker.report.results import message_of
from worker.report.snapshot import Snapshot
from worker.report.status import limiter_use
from worker.rules import format_seconds

#: characters of the widest bar of an outcome
WIDEST = 24
#: characters of the bar of the whole
TRACK = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_COLOURS = {
    EditState.VERIFIED: "green",
    EditState.UNCHANGED: "green",
    EditState.ACCEPTED: "cyan",
    EditState.SENDING: "cyan",
    EditState.PENDING: "bright_black",
    EditState.SKIPPED: "yellow",
    EditState.NOT_ATTEMPTED: "yellow",
    EditState.CONFLICT: "magenta",
    EditState.UNVERIFIED: "magenta",
    EditState.MISMATCH: "red",
    EditState.FAILED: "red",
}
_STATE_COLOURS = {
    CampaignState.COMPLETED: "green",
    CampaignState.COMPLETED_WITH_ERRORS: "red",
    CampaignState.FAILED: "red",
    CampaignState.CANCELLED: "yellow",
    CampaignState.PAUSED: "yellow",
}
#: In this order outcomes are listed: what is on its way first, then from good to bad.
_ORDER = list(_COLOURS)
_MOVING = {
    EditState.PENDING: "waiting for their turn",
    EditState.SENDING: "being sent",
    EditState.ACCEPTED: "accepted, to be read back",
}


def picture(look: Snapshot, *, edits_per_min: float | None = None) -> RenderableType:
    """Return the picture; `edits_per_min` is the recent pace, None while there is none."""
    parts: list[RenderableType] = [_head(look), _bar(look), _facts(look, edits_per_min)]
    outcomes = _outcomes(look)
    return Group(*parts, Text(""), outcomes) if outcomes.row_count else Group(*parts)


def _head(look: Snapshot) -> Text:
    campaign = look.campaign
    state = str(campaign.state).replace("_", " ")
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(visible(campaign.key), style="bold")
    line.append(f"  {campaign.id}  ", style="bright_black")
    line.append(state, style=_STATE_COLOURS.get(campaign.state, "cyan"))
    if look.elapsed_s:
        line.append(f"  {format_seconds(look.elapsed_s)}", style="bright_black")
    return line


def _bar(look: Snapshot) -> Table:
    progress = look.progress()
    bar = Table.grid(padding=(0, 2, 0, 0), expand=False)
    figures = Text(f"{progress.done:,}/{progress.total:,}  {progress.percent:.1f} %")
    eta = Text(f"ETA {format_seconds(look.eta_s)}" if look.eta_s else "", style="bold")
    moving = "cyan" if not look.errors else "yellow"
    colour = _STATE_COLOURS.get(look.campaign.state, moving)
    bar.add_row(_track(look, colour), figures, eta)
    return bar


def _track(look: Snapshot, colour: str) -> Text:
    """Return the bar: what is final, then paler what is accepted but not yet read back."""
    total = max(1, look.campaign.total)
    done = look.progress().done
    accepted = look.by_state.get(EditState.ACCEPTED, 0)
    full = TRACK * done // total
    pale = TRACK * (done + accepted) // total - full
    track = Text("━" * full, style=colour)
    track.append("━" * pale, style=f"dim {colour}")
    return track.append("━" * (TRACK - full - pale), style="bright_black")


def _facts(look: Snapshot, edits_per_min: float | None) -> Table:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bright_black", no_wrap=True)
    facts.add_column()
    pace = look.rate_per_min if look.has_ended else edits_per_min
    speed = f"{pace:,.0f} edits/min" if pace is not None else "measuring"
    if not look.has_ended:
        facts.add_row("limit", limit_line(look))
    total = sum(row.calls for row in look.calls)
    per_call = f", {look.progress().done / total:,.1f} edits a call" if total else ""
    facts.add_row("pace", f"{speed}; {total:,} API calls so far{per_call}" if total else speed)
    if why := why_it_waits(look):
        facts.add_row("why", Text(visible(why), style="yellow"))
    return facts


def limit_line(look: Snapshot) -> str:
    """Return what is used of what is granted, window by window; or why that cannot be told."""
    if look.limiter is None:
        return visible(look.limiter_fault or "not known")
    used = ", ".join(_used(look.limiter))
    return f"{used} of the calls granted" if used else "unlimited"


def _used(limiter: LimiterState) -> list[str]:
    return [
        f"{each.used}/{each.granted} in the last {_SPANS.get(each.seconds, f'{each.seconds:g} s')}"
        for each in limiter_use(limiter).windows
    ]


_SPANS = {1.0: "second", 60.0: "minute", 3600.0: "hour"}


def _outcomes(look: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, width=WIDEST)
    # One line for each while it moves, or the picture would jump; at the end nothing is cut.
    overflow: Literal["fold", "ellipsis"] = "fold" if look.has_ended else "ellipsis"
    table.add_column(style="bright_black", overflow=overflow, no_wrap=not look.has_ended)
    ranked = sorted(_shown(look), key=lambda each: (_ORDER.index(each[0]), -each[2], each[1]))
    most = max((count for _, _, count in ranked), default=1)
    for state, code, count in ranked:
        colour = _COLOURS[state]
        name = Text(_name(state, code), style=colour)
        blocks = Text(blocks_of(count, most=most), style=colour)
        table.add_row(name, f"{count:,}", blocks, _MOVING.get(state) or message_of(code))
    return table


def _shown(look: Snapshot) -> list[tuple[EditState, str, int]]:
    """Return final edits by code, and those on their way by state alone."""
    ended = [
        (state, code, count)
        for (state, code), count in look.counts.items()
        if state not in _MOVING and count
    ]
    moving = [(state, "", count) for state, count in look.by_state.items() if state in _MOVING]
    return ended + moving


def _name(state: EditState, code: str) -> str:
    if state in _MOVING:
        return str(state)
    return str(state) if code in ("", str(state)) else f"{state}: {code}"


def blocks_of(count: int, *, most: int) -> str:
    """Return a bar as long as its share of the largest; anything at all shows as something."""
    eighths = max(1, round(8 * WIDEST * count / most))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def plain_line(look: Snapshot) -> str:
    """Return one line for a log or a pipe."""
    eta = ""
    if look.eta_s:
        eta = f" | ETA {format_seconds(look.eta_s)}"
    return visible(look.progress(why=why_it_waits(look)).sentence().split(" | ETA ")[0] + eta)
