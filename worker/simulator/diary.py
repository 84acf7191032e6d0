"""The index of one calendar's events: by start, by last change, by former places.

A read costs what it returns, not what the calendar holds. Lists are sorted when first asked, so
that seeding is cheap.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

from worker.simulator.moments import epoch
from worker.simulator.values import Event

#: All-day dates have no zone: their true instant lies within this many seconds of UTC midnight.
SLACK_S = 26 * 3600.0
Entry = tuple[float, str]
Span = tuple[float, float]


class Diary:
    """Where one calendar's events lie; it holds uids, never events."""

    def __init__(self) -> None:
        self._starts: list[Entry] = []
        self._updates: list[Entry] = []
        self._unsorted = False
        self._longest = 0.0
        self.uids: dict[str, None] = {}
        self.managed: set[str] = set()
        #: Former events by uid, oldest first: what include_moved needs.
        self.former: dict[str, list[Event]] = {}

    def put(self, old: Event | None, new: Event) -> None:
        """Indexes an event, in place of its former state where it has one."""
        if old is None:
            self._append(new)
        else:
            self._replace(old, new)
        self._longest = max(self._longest, epoch(new.end) - epoch(new.start))
        self.uids[new.event_uid] = None
        if new.event_id is not None:
            self.managed.add(new.event_uid)

    def near(self, start: float, end: float) -> list[str]:
        """Uids of events that may overlap a window; a few beside it may be among them."""
        self._sort()
        first = bisect_left(self._starts, (start - self._longest - SLACK_S, ""))
        last = bisect_left(self._starts, (end + SLACK_S, ""))
        return [uid for _, uid in self._starts[first:last]]

    def changed_since(self, at: float) -> list[str]:
        """Uids of events changed at that second or later."""
        self._sort()
        return [uid for _, uid in self._updates[bisect_left(self._updates, (at, "")) :]]

    def candidates(self, window: Span, since: float | None) -> Iterable[str]:
        """The smaller of the two ways to find the events of a read."""
        if since is None:
            return self.near(*window)
        changed = self.changed_since(since)
        if len(changed) * 4 < len(self.uids):
            return changed
        return self.near(*window)

    def _append(self, new: Event) -> None:
        self._starts.append((epoch(new.start), new.event_uid))
        self._updates.append((epoch(new.updated), new.event_uid))
        self._unsorted = True

    def _replace(self, old: Event, new: Event) -> None:
        self._sort()
        _move(self._starts, (epoch(old.start), old.event_uid), (epoch(new.start), new.event_uid))
        _move(
            self._updates, (epoch(old.updated), old.event_uid), (epoch(new.updated), new.event_uid)
        )
        if (old.start, old.end) != (new.start, new.end):
            self.former.setdefault(old.event_uid, []).append(old)

    def _sort(self) -> None:
        if self._unsorted:
            self._starts.sort()
            self._updates.sort()
            self._unsorted = False


def _move(entries: list[Entry], old: Entry, new: Entry) -> None:
    if old != new:
        del entries[bisect_left(entries, old)]
        insort(entries, new)
