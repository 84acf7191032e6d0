"""What a soak looks at while it runs: how far the campaign is, and what the processes hold."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from tests.fleet import Fleet
from tests.runs import states
from worker.errors import WorkerError
from worker.model import FINAL, EditState

_PAGE = os.sysconf("SC_PAGESIZE")
_DONE = FINAL | {EditState.ACCEPTED}
#: the first minute is imports and pools; a slope over less than two says nothing
_WARM_S, _LEAST_S = 60.0, 120.0


class Sample(NamedTuple):
    """A process at one moment: seconds, bytes of memory, open files."""

    at: float
    rss: int
    files: int


class Watch:
    """Samples of the workers, taken whenever `look` is called."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._samples: dict[int, list[Sample]] = defaultdict(list)

    def look(self) -> None:
        """Take a sample of each worker that lives."""
        for worker in list(self._fleet.workers):
            with suppress(OSError, IndexError, ValueError):
                self._samples[worker.pid].append(_sample(worker.pid))

    @property
    def peak_mb(self) -> float:
        """The most memory that a worker held."""
        return max((one.rss for each in self._samples.values() for one in each), default=0) / 1e6

    @property
    def most_files(self) -> int:
        """The most open files of a worker."""
        return max((one.files for each in self._samples.values() for one in each), default=0)

    @property
    def slope_mb_a_minute(self) -> float | None:
        """How memory grew in the worker that lived longest, once warm; None if none lived long."""
        longest = max(self._samples.values(), key=lambda each: each[-1].at - each[0].at)
        warm = [one for one in longest if one.at - longest[0].at > _WARM_S]
        if not warm or warm[-1].at - warm[0].at < _LEAST_S:
            return None
        return 60 * _slope([(one.at, one.rss / 1e6) for one in warm])


def progress(fleet: Fleet, campaign: str) -> int:
    """Count the edits that have been accepted or have ended; -1 when SQL cannot be asked."""
    counts = _counts(fleet, campaign)
    return sum(counts[state] for state in _DONE) if counts else -1


def is_sent(fleet: Fleet, campaign: str) -> bool:
    """Tell whether nothing is left to be sent, as far as SQL can be asked."""
    counts = _counts(fleet, campaign)
    return bool(counts) and counts.keys() <= _DONE


def _counts(fleet: Fleet, campaign: str) -> Counter[EditState]:
    """Count edits by state; none when SQL cannot be asked."""
    try:
        return states(fleet, campaign)
    except (WorkerError, SQLAlchemyError):
        return Counter()


def _sample(pid: int) -> Sample:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Sample(time.monotonic(), pages * _PAGE, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the straight line that fits best."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
