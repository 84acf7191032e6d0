"""Reads a window of events page by page, and never follows an answer away from home."""

from __future__ import annotations

from collections.abc import Container, Sequence, Sized
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import structlog
from msgspec import Struct
from yarl import URL

from worker.cronofy.edits import utc_text
from worker.cronofy.events import key_of, read_page, read_whole_page, to_event
from worker.cronofy.hosts import same_origin
from worker.cronofy.replies import Hopeless
from worker.cronofy.values import CallCount
from worker.cronofy.wire import Unreadable, WireEvent
from worker.model import Event, EventKey
from worker.rules import ReadWindow

log = structlog.get_logger(__name__)

EVENTS = "/v1/events"
PAGES = "/v1/events/pages/{page}"

#: Calendars named in one query; with more of them the URL would grow beyond what servers take, so
#: all are read and the others left out here.
_MOST_CALENDARS = 100


#: the earliest `from` and the latest `to` in days from today (cronofy-api §3.1)
DAYS_BACK = 42
DAYS_AHEAD = 201
#: how far the API's clock may be ahead of ours, so that midnight refuses no read
_LEEWAY = timedelta(minutes=1)


class ReadQuery(Struct, frozen=True, kw_only=True):
    """What to read: the days are inclusive here, while the API's `to` is the day after."""

    window: ReadWindow
    calendar_ids: tuple[str, ...] = ()
    last_modified: datetime | None = None
    include_deleted: bool = True
    include_moved: bool = False
    include_managed: bool = True

    def url(self, base: str, *, now: datetime) -> str | None:
        """Return the address of the first page; None when nothing of the window can be read.

        The window is cut to what the API shows at this moment: the day may have changed since it
        was planned, and a `from` too early is refused (cronofy-api §0, 5).
        """
        today = (now + _LEEWAY).date()
        first = max(self.window.first, today - timedelta(days=DAYS_BACK))
        end = min(self.window.last + timedelta(days=1), today + timedelta(days=DAYS_AHEAD))
        if first >= end:
            return None
        pairs = [
            ("tzid", "Etc/UTC"),
            ("from", first.isoformat()),
            ("to", end.isoformat()),
            ("localized_times", "true"),
        ]
        switches = ("include_managed", "include_deleted", "include_moved")
        pairs += [(name, "true") for name in switches if getattr(self, name)]
        if self.last_modified is not None:
            pairs.append(("last_modified", utc_text(self.last_modified)))
        if len(self.calendar_ids) <= _MOST_CALENDARS:
            pairs += [("calendar_ids[]", calendar_id) for calendar_id in self.calendar_ids]
        return f"{base}{EVENTS}?{urlencode(pairs)}"


class Harvest:
    """Collects the events of a read: only the wanted ones, and of each the one read last."""

    read = staticmethod(read_page)

    def __init__(
        self,
        *,
        wanted: Container[EventKey] | None,
        calendar_ids: Sequence[str] = (),
        people: bool = False,
    ) -> None:
        self.events: dict[EventKey, Event] = {}
        self._wanted = wanted
        self._people = people
        self._calendar_ids = frozenset(calendar_ids)

    @property
    def complete(self) -> bool:
        """Tell whether everything wanted has been found, so that no further page is needed."""
        return isinstance(self._wanted, Sized) and len(self.events) == len(self._wanted)

    def add(self, wires: Sequence[WireEvent]) -> int:
        """Keep what is wanted; return how many of those could not be understood."""
        unreadable = 0
        for wire in wires:
            key = key_of(wire)
            if not self._keeps(key):
                continue
            try:
                self.events[key] = to_event(wire, people=self._people)
            except Unreadable:
                unreadable += 1
        return unreadable

    def _keeps(self, key: EventKey) -> bool:
        if not key.event_uid or (self._calendar_ids and key.calendar_id not in self._calendar_ids):
            return False
        return self._wanted is None or key in self._wanted


class Pile:
    """Collects all events of a read as they stand, twice what comes twice."""

    read = staticmethod(read_whole_page)
    #: there is no telling
    complete = False

    def __init__(self) -> None:
        self.events: list[Any] = []

    def add(self, events: Sequence[Any]) -> int:
        """Keep them; none is looked at, so that none can be too odd."""
        self.events += events
        return 0


def note_unreadable(count: int, calls: CallCount) -> None:
    """Count events that were left out, if any, and tell of it."""
    if count:
        calls.unreadable += count
        log.warning("event.unreadable", count=count)


class Trail:
    """Checks each link to a next page before it is followed."""

    def __init__(self, base: str, *, max_pages: int) -> None:
        self._base = base
        self._max_pages = max_pages
        self._seen: set[str] = set()

    def checked(self, link: str | None) -> str | None:
        """Return the link, or None when there is none; raises Hopeless on a bad one."""
        if not link:
            return None
        # The messages leave the link out: it came from outside and may say anything.
        if not _leads_home(link, self._base):
            raise Hopeless(f"GET {EVENTS} names a next page on another host")
        if link in self._seen:
            raise Hopeless(f"GET {EVENTS} goes round in a circle")
        if len(self._seen) + 1 >= self._max_pages:
            raise Hopeless(f"GET {EVENTS} has more than {self._max_pages} pages")
        self._seen.add(link)
        return link


def _leads_home(link: str, base: str) -> bool:
    try:
        return same_origin(URL(link, encoded=True), base)
    except ValueError:
        return False
