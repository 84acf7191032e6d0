"""What is allowed: a rate is one or several windows, and all of them hold at once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

#: a log keeps one entry per request of its largest window; beyond this it is no longer small
MOST_REQUESTS = 100_000
#: the largest weight when nothing is limited
UNLIMITED_WEIGHT = 1_000_000

_PART = re.compile(r"(?P<requests>\d+)/(?P<count>\d*)(?P<unit>s|min|m|h)")
_UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3600}


class Window(NamedTuple):
    """At most so many requests in any so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """All windows that hold at once; none means unlimited."""

    windows: tuple[Window, ...]

    def __str__(self) -> str:
        return ",".join(map(_written, self.windows)) or "unlimited"


def parse_rate(text: str) -> Rate:
    """Reads "50/s,500/min"; also N/10s, N/h, and "unlimited" for simulators and benchmarks.

    ValueError names the part that is wrong.
    """
    if text.strip() == "unlimited":
        return Rate(windows=())
    return Rate(windows=tuple(_window(part.strip()) for part in text.split(",")))


def granted_share(window: Window, share: float) -> int:
    """Returns how many of a window's requests a share may use, rounded down, at least one."""
    # 0.29 * 100 is 28.999…: the hair more keeps a whole number whole.
    return max(1, math.floor(window.requests * share + 1e-9))


def _window(part: str) -> Window:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part or 'nothing'}: expected a rate such as 50/s or 500/min")
    requests, count = int(found["requests"]), int(found["count"] or 1)
    if requests < 1:
        raise ValueError(f"{part}: at least 1")
    if requests > MOST_REQUESTS:
        raise ValueError(f"{part}: at most {MOST_REQUESTS}")
    if count < 1:
        raise ValueError(f"{part}: a window lasts at least one second")
    return Window(requests, float(count * _UNIT_S[found["unit"]]))


def _written(window: Window) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if window.seconds % length == 0:
            count = round(window.seconds / length)
            return f"{window.requests}/{count if count > 1 else ''}{unit}"
    count = round(window.seconds)
    return f"{window.requests}/{count if count > 1 else ''}s"
