"""The live picture of a campaign for a terminal: how far, how fast, why it waits, what came out."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from worker.limits import LimiterState
from worker.model import CampaignState, EditState
from worker.report.cells import visible
from worker.report.reasons import canary_line, eta_s, next_step, why_it_waits
from worker.report.results import message_of
from worker.report.snapshot import MOVING, Snapshot
from worker.report.status import limiter_use
from worker.rules import format_seconds

#: characters of the widest bar of an outcome
WIDEST = 24
#: lines above the outcomes as a rule, and beside these: a blank one, and one that tells of others
_ABOVE, _BESIDE = 5, 2
#: characters between columns, and what a sentence needs to be of any use
_GAP, _LEAST_HELP = 2, 24
#: characters of the bar of the whole
TRACK = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"

#: a state, a code, and how many edits have both
_Row: TypeAlias = tuple[EditState, str, int]

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
    CampaignState.AWAITING_APPROVAL: "yellow",
    CampaignState.SCHEDULED: "yellow",
    CampaignState.CANCELLING: "yellow",
    CampaignState.EXPIRED: "yellow",
}
#: In this order outcomes are listed: what is on its way first, then from good to bad.
_ORDER = list(_COLOURS)
_MOVING = {
    EditState.PENDING: "waiting for their turn",
    EditState.SENDING: "being sent",
    EditState.ACCEPTED: "accepted, to be read back",
}


def picture(
    look: Snapshot, *, edits_per_min: float | None = None, most_lines: int | None = None
) -> RenderableType:
    """Return the picture; `edits_per_min` is the recent pace, None while there is none.

    With `most_lines` the smallest outcomes are left out, and their number is told.
    """
    return _Picture(look, Group(_head(look), _bar(look), _facts(look, edits_per_min)), most_lines)


class _Picture:
    """How far and why, and below it the outcomes in the room that is left."""

    def __init__(self, look: Snapshot, above: Group, most_lines: int | None) -> None:
        self._look = look
        self._above = above
        self._most_lines = most_lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield both; a reason may take more than a line."""
        yield self._above
        if not self._look.counts:
            return
        most = self._most_lines
        if most is not None:
            # Never fewer: what comes and goes above must not have the outcomes jump.
            most -= max(_ABOVE, len(console.render_lines(self._above, options))) + _BESIDE
        yield Text("")
        yield _Outcomes(self._look, most=most)


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
    left_s = eta_s(look)
    eta = Text(f"ETA {format_seconds(left_s)}" if left_s else "", style="bold")
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
    if look.campaign.state in MOVING:
        facts.add_row("limit", limit_line(look))
    facts.add_row("pace", _pace(look, edits_per_min))
    if canary := canary_line(look):
        facts.add_row("canary", canary)
    if why := why_it_waits(look):
        facts.add_row("why", Text(visible(why), style="yellow"))
    if _stands(look):
        facts.add_row("next", Text(visible(next_step(look))))
    return facts


def _stands(look: Snapshot) -> bool:
    """Tell whether nothing is sent for a campaign before a person or the clock lets it go on."""
    return not look.has_ended and look.campaign.state not in MOVING


def _pace(look: Snapshot, edits_per_min: float | None) -> str:
    pace = look.rate_per_min if look.has_ended else edits_per_min
    speed = f"{pace:,.0f} edits/min" if pace is not None else "measuring"
    if _stands(look):
        speed = "nothing is sent"
    total = sum(row.calls for row in look.calls)
    per_call = f", {look.progress().done / total:,.1f} edits a call" if total else ""
    return f"{speed}; {total:,} API calls so far{per_call}" if total else speed


def limit_line(look: Snapshot) -> str:
    """Return what is used of what is granted, window by window; or why that cannot be told."""
    if look.limiter is None:
        return visible(look.limiter_fault or "not known")
    first, *others = _used(look.limiter) or ["unlimited"]
    return ", ".join([first.replace(" in ", " calls in "), *others])


def _used(limiter: LimiterState) -> list[str]:
    return [
        f"{each.used}/{each.granted} in the last {_SPANS.get(each.seconds, f'{each.seconds:g} s')}"
        for each in limiter_use(limiter).windows
    ]


_SPANS = {1.0: "second", 60.0: "minute", 3600.0: "hour"}


class _Outcomes:
    """The outcomes in columns for the width there is: names and counts first, help, then bars.

    While it moves each has one line, or the picture would jump; at the end nothing is cut.
    """

    def __init__(self, look: Snapshot, *, most: int | None) -> None:
        self._look = look
        self._most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        shown = _shown(self._look)
        ranked = sorted(shown, key=lambda each: (_ORDER.index(each[0]), -each[2], each[1]))
        kept = _largest(ranked, self._most)
        columns = _Columns.of(kept, width=options.max_width)
        for row in kept:
            yield columns.line(row, is_cut=self._most is not None)
        if len(kept) < len(ranked):
            yield Text(f"… and {len(ranked) - len(kept)} more", style="bright_black")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """How wide the columns are, and the largest count, which has the whole bar."""

    name: int
    count: int
    bar: int
    help: int
    most: int

    @classmethod
    def of(cls, rows: list[_Row], *, width: int) -> _Columns:
        """Share the width: sentences first, bars with what is left, and figures never shrink."""
        name = max((len(_name(state, code)) for state, code, _ in rows), default=0)
        count = max((len(f"{each:,}") for _, _, each in rows), default=0)
        rest = max(0, width - name - count - 3 * _GAP)
        bar = min(WIDEST, max(0, (rest - _LEAST_HELP) // 2))
        most = max((each for _, _, each in rows), default=1)
        return cls(name=name, count=count, bar=bar, help=rest - bar, most=most)

    def line(self, row: _Row, *, is_cut: bool) -> Text:
        """Return an outcome; its sentence is cut, or goes on below its own beginning."""
        state, code, count = row
        colour = _COLOURS[state]
        blocks = blocks_of(count, most=self.most, width=self.bar)
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{_name(state, code):<{self.name}}", style=colour)
        line.append(f"{'':{_GAP}}{count:>{self.count},}{'':{_GAP}}")
        line.append(f"{blocks:<{self.bar}}", style=colour)
        meaning = _MOVING.get(state) or message_of(code)
        if is_cut or self.help < _LEAST_HELP:
            return line.append(f"{'':{_GAP}}{meaning}", style="bright_black")
        below = "\n" + " " * (self.name + self.count + self.bar + 3 * _GAP)
        told = below.join(textwrap.wrap(meaning, self.help))
        return line.append(f"{'':{_GAP}}{told}", style="bright_black")


def _largest(ranked: list[_Row], most: int | None) -> list[_Row]:
    """Return the rows with the largest counts, in the order in which they stand."""
    if most is None or len(ranked) <= most:
        return ranked
    kept = sorted(ranked, key=lambda each: -each[2])[: max(1, most)]
    return [each for each in ranked if each in kept]


def _shown(look: Snapshot) -> list[_Row]:
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


def blocks_of(count: int, *, most: int, width: int = WIDEST) -> str:
    """Return a bar as long as its share of the largest; anything at all shows as something."""
    eighths = max(1, round(8 * width * count / most)) if width else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def plain_line(look: Snapshot) -> str:
    """Return one line for a log or a pipe."""
    left_s, canary = eta_s(look), canary_line(look)
    eta = f" | ETA {format_seconds(left_s)}" if left_s else ""
    why = "; ".join(filter(None, (why_it_waits(look), canary and f"canary: {canary}")))
    return visible(look.progress(why=why).sentence().split(" | ETA ")[0] + eta)
