"""What the provider saw: all figures about calls come from its log, the same for every peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from tests.benchmarks.floor import granted_by, longest_window, spent_after
from worker.simulator import read_rate
from worker.simulator.windows import busiest

TOO_MANY = 429
SECONDS_SHOWN = 15
ROUTES_OF_WRITES = ("batch", "edit")


class Request(Struct, frozen=True, kw_only=True):
    """One request as the simulator remembers it."""

    at: float
    route: str
    status: int
    items: int = 0
    weight: int = 1
    took_s: float = 0.0

    @property
    def edits(self) -> int:
        """The edits that it brought; every event of a benchmark can be edited."""
        if self.status >= 300 or self.route not in ROUTES_OF_WRITES:
            return 0
        return self.items if self.route == "batch" else 1


class Observed(Struct, frozen=True, kw_only=True):
    """A run in figures. Seconds count from the first call; a share is of what the limit grants."""

    edits: int
    #: until the last edit was accepted, and until the last answer of all
    written_s: float
    ended_s: float
    #: weighed as the limit counts
    calls: int
    calls_by_route: dict[str, int]
    refused: int
    busiest: dict[str, int]
    #: weight in each of the first seconds: where a start stalls, it shows here
    by_second: list[int]
    #: what was used of what the limit grants until the last edit was on its way, at most until the
    #: longest window could have been spent
    share_at_start: float
    #: over the whole windows after the first; None where none has passed
    steady_edits_per_min: float | None
    steady_calls_per_min: float | None
    steady_share: float | None


def read_log(lines: Iterable[bytes]) -> list[Request]:
    """Return the provider's requests, in order of arrival."""
    decoder = msgspec.json.Decoder(Request)
    return sorted((decoder.decode(line) for line in lines), key=lambda one: one.at)


def observe(log: Sequence[Request], *, rate: str, until_s: float) -> Observed:
    """Return what a log says; only what arrived within `until_s` of the first call counts."""
    first = log[0].at if log else 0.0
    seen = [one for one in log if one.at - first < until_s]
    writes = [one for one in seen if one.edits]
    granted = [(one.at, one.weight) for one in seen if one.weight]
    calls = sum(weight for _, weight in granted)
    written_s = max((one.at - first for one in writes), default=0.0)
    start_s = min(written_s, spent_after(rate)) if rate else written_s
    used = sum(weight for at, weight in granted if at - first <= start_s)
    routes = sorted({one.route for one in seen})
    steady = _steady(seen, rate=rate, until_s=until_s) if rate else None
    return Observed(
        edits=sum(one.edits for one in writes),
        written_s=max((one.at + one.took_s - first for one in writes), default=0.0),
        ended_s=max((one.at + one.took_s - first for one in seen), default=0.0),
        calls=calls,
        calls_by_route={
            route: sum(one.weight for one in seen if one.route == route) for route in routes
        },
        refused=sum(one.status == TOO_MANY for one in seen),
        busiest={f"{span:g}s": busiest(granted, span) for _, span in read_rate(rate)},
        by_second=[
            sum(weight for at, weight in granted if int(at - first) == second)
            for second in range(SECONDS_SHOWN)
        ],
        share_at_start=used / granted_by(rate, start_s),
        steady_edits_per_min=steady[0] if steady else None,
        steady_calls_per_min=steady[1] if steady else None,
        steady_share=steady[2] if steady else None,
    )


def _steady(
    seen: Sequence[Request], *, rate: str, until_s: float
) -> tuple[float, float, float] | None:
    """Return edits and calls a minute and the share used, over whole windows after the first."""
    count, span = longest_window(rate)
    windows = int(until_s / span) - 1
    if windows < 1 or not seen:
        return None
    start = seen[0].at + span
    inside = [one for one in seen if start <= one.at < start + windows * span]
    if not inside:
        return None
    edits, weight = sum(one.edits for one in inside), sum(one.weight for one in inside)
    minutes = windows * span / 60
    return edits / minutes, weight / minutes, weight / (windows * count)
