"""How a campaign is carried out, in words: what may be tuned, its hours, and the zone to tell them.

Shared by `status`, by the commands that steer, and by JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from worker.model import Run, Threshold, Window
from worker.rules import find_zone, format_hours, format_seconds, format_threshold
from worker.store import Campaign


class Hours(Struct, frozen=True, kw_only=True):
    """When a campaign may send; `opens_at` is None while it may, or when it never may.

    Windows are written as the command line takes them: 20:00-06:00@Europe/Paris. Times are UTC.
    """

    not_before: datetime | None
    deadline: datetime | None
    windows: tuple[str, ...]
    quiet: tuple[str, ...]
    zone: str
    opens_at: datetime | None


def tuning_of(run: Run) -> dict[str, str]:
    """Return what may be tuned, as it would be written."""
    return {
        "share": "none" if run.share is None else f"{run.share:.0%}",
        "max-rps": "none" if run.max_rps is None else f"{run.max_rps:g}",
        "batch": "none" if run.batch_size is None else str(run.batch_size),
        "max-failures": format_threshold(run.max_failures),
    }


#: What each of them is about, beside its value.
TUNING_HELP: Final = {
    "share": "of the calls that calpatch may make in all",
    "max-rps": "calls a second, on average over 10 s",
    "batch": "edits in one request",
    "max-failures": "holds the campaign",
}


def tuned(run: Run) -> list[str]:
    """Return what of a campaign is otherwise than by default, as name=value."""
    usual = tuning_of(Run())
    return [f"{name}={value}" for name, value in tuning_of(run).items() if value != usual[name]]


def failures_that_hold(threshold: Threshold) -> str:
    """Return when failures hold a campaign, in words; "never" when they do not."""
    parts = []
    if threshold.percent is not None:
        parts.append(f"more than {threshold.percent:g}% of {threshold.min_attempted:,} or more")
    if threshold.count is not None:
        parts.append(f"{threshold.count:,} in all")
    if threshold.same_code_in_a_row is not None:
        parts.append(f"{threshold.same_code_in_a_row:,} in a row with one code")
    return ", or ".join(parts) or "never"


def hours_of(campaign: Campaign, *, opens_at: datetime | None) -> Hours:
    """Return a campaign's hours."""
    run = campaign.run
    return Hours(
        not_before=run.at,
        deadline=run.deadline,
        windows=tuple(map(written, run.windows)),
        quiet=tuple(map(written, run.quiet)),
        zone=zone_of(campaign),
        opens_at=opens_at,
    )


def told_hours(campaign: Campaign) -> str:
    """Return a campaign's hours on one line; "" when it may send at any time."""
    return "; ".join(_told_hours(campaign.run, zone_of(campaign)))


def _told_hours(run: Run, zone: str) -> Iterator[str]:
    if run.at is not None:
        yield f"not before {on_the_wall(run.at, zone)}"
    if run.windows:
        yield f"sends {' and '.join(map(written, run.windows))}"
    if run.quiet:
        yield f"quiet {' and '.join(map(written, run.quiet))}"
    if run.deadline is not None:
        yield f"not after {on_the_wall(run.deadline, zone)}"


def written(window: Window) -> str:
    """Return hours as the command line takes them."""
    return f"{format_hours(window)}@{window.tzid}"


class _Between(Struct):
    tzid: str = ""


class _Select(Struct):
    between: _Between = msgspec.field(default_factory=_Between)


class _Spec(Struct):
    """Of a stored campaign file, what tells its zone."""

    select: _Select = msgspec.field(default_factory=_Select)


def zone_of(campaign: Campaign) -> str:
    """Return the zone in which a campaign's times are told: of its hours, else of its days."""
    for window in (*campaign.run.windows, *campaign.run.quiet):
        return window.tzid
    try:
        named = msgspec.json.decode(campaign.spec or "{}", type=_Spec).select.between.tzid
    except msgspec.MsgspecError:
        named = ""
    return named or "UTC"


def on_the_wall(moment: datetime, zone: str) -> str:
    """Return a moment as a clock on the wall of a zone shows it: Tue 2026-11-24 20:00 Paris."""
    known = find_zone(zone)
    name = zone if known else "UTC"
    return f"{moment.astimezone(known or UTC):%a %Y-%m-%d %H:%M} {name}"


def until(moment: datetime, now: datetime) -> str:
    """Return how long it is until a moment: in 3h07m; "now" when it has come."""
    left_s = (moment - now).total_seconds()
    return f"in {format_seconds(left_s)}" if left_s > 0 else "now"
