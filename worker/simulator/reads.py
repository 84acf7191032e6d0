"""Read Events: the query, the selection, the pages [§3, rows 2, 3, 4, 6, 14, 15]."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from worker.simulator.answers import NOT_FOUND, Answer, Problems, Refusal, coded
from worker.simulator.calls import Call
from worker.simulator.diary import Diary
from worker.simulator.moments import BadTime, epoch, midnight, read_asked, zone
from worker.simulator.shapes import EXTRA, View, shown_event
from worker.simulator.simulator import Simulator, now_utc
from worker.simulator.values import Event, Key, Moment

#: Default and limit of the window, in days back and ahead [§3.1].
DAYS_BACK = 42
DAYS_AHEAD = 201
_FLAGS = (
    "include_managed", "only_managed", "include_deleted", "include_moved", "localized_times",
    "include_geo", "google_event_ids",
)  # fmt: skip


class Window(Struct, frozen=True):
    """From (events ending on or after it) to (events starting before it): instants and days."""

    start: datetime
    end: datetime
    first_day: date
    last_day: date

    def holds(self, event: Event) -> bool:
        """True where an event lies in the window; all-day events compare by their dates."""
        start, end = event.start, event.end
        if isinstance(start, datetime) and isinstance(end, datetime):
            return end >= self.start and start < self.end
        return end >= self.first_day and start < self.last_day


class Query(Struct, frozen=True):
    """A checked query."""

    window: Window
    #: False where neither from nor to was given: managed events then come back for all time.
    is_bounded: bool
    calendar_ids: tuple[str, ...]
    flags: frozenset[str]
    #: Seconds since the epoch, or None.
    last_modified: float | None

    def wants(self, event: Event) -> bool:
        """Everything that does not depend on where the event lies."""
        if event.deleted and "include_deleted" not in self.flags:
            return False
        if self.last_modified is not None and epoch(event.updated) < self.last_modified:
            return False
        if event.event_id is None:
            return "only_managed" not in self.flags
        return bool({"include_managed", "only_managed"} & self.flags)


class Book(Struct, frozen=True):
    """The pages of one read: which events they hold is fixed, how these look is not [unknown]."""

    sub: str
    keys: tuple[Key, ...]
    view: View
    include_deleted: bool
    page_size: int
    dies_at: float


def read_events(sim: Simulator, call: Call) -> Answer:
    """GET /v1/events: the first page."""
    sim.settle()
    query = read_query(sim, call)
    flags = query.flags
    book = Book(
        call.owner.sub,
        tuple(event.key for event in sorted(_select(sim, query), key=_order)),
        View(
            localized_times="localized_times" in flags,
            include_geo="include_geo" in flags,
            google_event_ids="google_event_ids" in flags,
            extra_keys=sim.behaviour.extra_keys,
        ),
        "include_deleted" in flags,
        max(1, sim.behaviour.page_size),
        sim.clock() + sim.behaviour.page_life_s,
    )
    return Answer(content=_page(sim, call, book, _shelve(sim, book), 1))


def read_page(sim: Simulator, call: Call) -> Answer:
    """GET /v1/events/pages/{opaque}: 404 where its life is over or it is somebody else's."""
    sim.settle()
    shelf, _, number = call.names["opaque"].partition("-")
    book = sim.books.get(shelf)
    if (
        book is None
        or book.dies_at <= sim.clock()
        or book.sub != call.owner.sub
        or not number.isdigit()
    ):
        raise Refusal(NOT_FOUND)
    return Answer(content=_page(sim, call, book, shelf, int(number)))


def read_query(sim: Simulator, call: Call) -> Query:
    """The checked query; unknown parameters are ignored [unknown]."""
    problems = Problems()
    given = dict(call.query)
    tz = zone(given.get("tzid", "")) if given.get("tzid") else None
    if tz is None:
        problems.add("tzid", "errors.tzid_unrecognized", "tzid must be specified and known")
    flags = frozenset(name for name in _FLAGS if _flag(given, name, problems))
    asked = {name: _time(given, name, problems) for name in ("from", "to", "last_modified")}
    window = _window(sim, asked, tz or ZoneInfo("UTC"), flags, problems)
    problems.raise_any()
    since = asked["last_modified"]
    return Query(
        window,
        asked["from"] is not None or asked["to"] is not None,
        _calendar_ids(sim, call),
        flags,
        None if since is None else float(int(epoch(since))),
    )


def _window(
    sim: Simulator,
    asked: dict[str, Moment | None],
    tz: ZoneInfo,
    flags: frozenset[str],
    problems: Problems,
) -> Window:
    """The window, within -42 and +201 days unless only managed events are read [row 2]."""
    today = now_utc(sim).astimezone(tz).date()
    earliest, latest = today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD)
    if "only_managed" in flags:
        start = asked["from"] or date(1, 1, 2)
        end = asked["to"] or date(9999, 12, 30)
        return _between(start, end, tz)
    start, end = asked["from"] or earliest, asked["to"] or latest
    if _day(start, tz) < earliest:
        problems.add("from", "errors.out_of_range", f"from must not be before {earliest}")
    if _day(end, tz) > latest and sim.behaviour.beyond_window == "422":
        problems.add("to", "errors.out_of_range", f"to must not be after {latest}")
    return _between(start, end if _day(end, tz) <= latest else latest, tz)


def _between(start: Moment, end: Moment, tz: ZoneInfo) -> Window:
    return Window(_instant(start, tz), _instant(end, tz), _day(start, tz), _day(end, tz))


def _day(moment: Moment, tz: ZoneInfo) -> date:
    return moment.astimezone(tz).date() if isinstance(moment, datetime) else moment


def _instant(moment: Moment, tz: ZoneInfo) -> datetime:
    return moment if isinstance(moment, datetime) else midnight(moment, tz)


def _flag(given: dict[str, str], name: str, problems: Problems) -> bool:
    """true/false in any case: pycronofy sends True and False [row 6]."""
    value = given.get(name, "false").lower()
    if value not in ("true", "false", ""):
        problems.add(name, "errors.must_be_boolean", f"{name} must be true or false")
    return value == "true"


def _time(given: dict[str, str], name: str, problems: Problems) -> Moment | None:
    if not given.get(name):
        return None
    try:
        return read_asked(given[name])
    except BadTime as error:
        problems.add(name, error.key, f"{name} {error}")
        return None


def _calendar_ids(sim: Simulator, call: Call) -> tuple[str, ...]:
    own = call.owner.calendar_ids
    asked = tuple(dict.fromkeys(value for name, value in call.query if name == "calendar_ids[]"))
    if not set(asked) <= set(own):
        code = sim.behaviour.unknown_calendar_read_code
        refusal = coded(code, "calendar_ids", "errors.invalid_calendar_ids", "unknown calendar")
        raise refusal
    return asked or tuple(own)


def _select(sim: Simulator, query: Query) -> Iterator[Event]:
    for calendar_id in query.calendar_ids:
        diary = sim.diaries[calendar_id]
        for uid in _candidates(diary, query):
            event = sim.events[calendar_id, uid]
            if query.wants(event) and _is_in_reach(event, diary, query):
                yield event


def _candidates(diary: Diary, query: Query) -> set[str]:
    window = (query.window.start.timestamp(), query.window.end.timestamp())
    found = set(diary.candidates(window, query.last_modified))
    if {"include_managed", "only_managed"} & query.flags:
        found |= diary.managed
    if "include_moved" in query.flags:
        found |= diary.former.keys()
    return found


def _is_in_reach(event: Event, diary: Diary, query: Query) -> bool:
    """In the window now; or once (include_moved); or managed, and no window given [§3.1]."""
    if query.window.holds(event):
        return True
    if event.event_id is not None and not query.is_bounded:
        return True
    if "include_moved" not in query.flags:
        return False
    return any(query.window.holds(former) for former in diary.former.get(event.event_uid, ()))


def _order(event: Event) -> tuple[float, str]:
    """By start; the service's order is [unknown]."""
    return epoch(event.start), event.event_uid


def _shelve(sim: Simulator, book: Book) -> str:
    """Keeps a read of several pages, and forgets the dead ones."""
    for shelf in [shelf for shelf, old in sim.books.items() if old.dies_at <= sim.clock()]:
        del sim.books[shelf]
    shelf = sim.token(24)
    if len(book.keys) > book.page_size:
        sim.books[shelf] = book
    return shelf


def _page(sim: Simulator, call: Call, book: Book, shelf: str, number: int) -> dict[str, Any]:
    total = max(1, -(-len(book.keys) // book.page_size))
    pages: dict[str, Any] = {"current": number, "total": total}
    if number < total:
        pages["next_page"] = f"{call.base_url}/v1/events/pages/{shelf}-{number + 1}"
    keys = book.keys[(number - 1) * book.page_size : number * book.page_size]
    events = (sim.events[key] for key in keys)
    shown = [
        shown_event(each, book.view) for each in events if book.include_deleted or not each.deleted
    ]
    return {"pages": pages, "events": shown, **(EXTRA if book.view.extra_keys else {})}
