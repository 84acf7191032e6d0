"""Fetch: the account's calendars, and the events of a chunk in as few windows as cost least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from worker.cronofy import Access
from worker.errors import Rejected
from worker.model import AllDay, Calendar, EditState, Event, EventKey, Timed, When
from worker.rules import ReadWindow, parse_moment, plan_windows, unread_windows
from worker.run.work import Work
from worker.store import Edit


async def fetch_calendars(work: Work, *, anew: bool = False) -> dict[str, Calendar]:
    """Return the account's calendars by id: from SQL while they are believed, else from the API."""
    account = work.hold.claim.account
    known = {calendar.calendar_id: calendar for calendar in account.calendars}
    if not anew and _is_believed(work, known):
        return known
    listed = await work.session.use(
        lambda access: work.engine.client.calendars(access, calls=work.hold.calls)
    )
    await work.engine.db(work.engine.store.accounts.save_calendars, account.sub, listed)
    return {calendar.calendar_id: calendar for calendar in listed}


def _is_believed(work: Work, known: Mapping[str, Calendar]) -> bool:
    """Tell whether the stored list is young enough for what it says of the open edits.

    A permission is believed for long: what has been taken back meanwhile, the API itself refuses
    (cronofy-api §5.2). A refusal is not, or an owner's new grant would be overlooked.
    """
    age_s = work.hold.claim.account.calendars_age_s
    needed = {edit.key.calendar_id for edit in work.open.values()}
    if age_s is None or not needed <= known.keys():
        return False
    settings = work.engine.settings
    permits = all(_takes_edits(known[calendar_id]) for calendar_id in needed)
    return age_s < (settings.calendars_trust if permits else settings.calendars_ttl)


def _takes_edits(calendar: Calendar) -> bool:
    return calendar.elevated and not (calendar.read_only or calendar.deleted)


async def fetch_events(
    works: Sequence[Work], calendars: Mapping[str, Calendar]
) -> dict[EventKey, Event]:
    """Return the events of the open edits of an account's chunks, as far as they can be seen.

    Calendars that take no edit anyway are not read, nor are unknown ones: one of them would have
    the API refuse the read for all the others. A hint is only a hint: what is not where it says is
    looked for in the rest of the readable window, once, before anybody may call it not found.
    """
    open_edits = [edit for work in works for edit in work.open.values()]
    edits = [edit for edit in open_edits if _needs_reading(edit, calendars)]
    today = works[0].engine.clock.now().date()
    windows = plan_windows([hint for edit in edits for hint in _hints(edit)], today=today)
    # What an earlier run may have moved out of a window is shown for having been inside.
    moved = any(edit.target is not None for edit in edits)
    people = any(work.asks_for_people for work in works)
    found: dict[EventKey, Event] = {}
    for window in [*windows, *unread_windows(windows, today=today)]:
        wanted = {edit.key for edit in edits} - found.keys()
        if wanted:
            found |= await _read(works[0], window, wanted, include_moved=moved, people=people)
    return found


def _needs_reading(edit: Edit, calendars: Mapping[str, Calendar]) -> bool:
    calendar = calendars.get(edit.key.calendar_id)
    if edit.state is EditState.ACCEPTED or calendar is None or calendar.deleted:
        return False
    return edit.target is not None or _takes_edits(calendar)


async def _read(
    work: Work, window: ReadWindow, wanted: set[EventKey], *, include_moved: bool, people: bool
) -> dict[EventKey, Event]:
    try:
        return await _read_once(work, window, wanted, include_moved=include_moved, people=people)
    except Rejected:
        # The API's day may have turned before ours: the outermost days are then refused.
        day = timedelta(days=1)
        narrower = ReadWindow(first=window.first + day, last=window.last - day)
        return await _read_once(work, narrower, wanted, include_moved=include_moved, people=people)


async def _read_once(
    work: Work, window: ReadWindow, wanted: set[EventKey], *, include_moved: bool, people: bool
) -> dict[EventKey, Event]:
    calendar_ids = sorted({key.calendar_id for key in wanted})

    async def call(access: Access) -> dict[EventKey, Event]:
        return await work.engine.client.read_events(
            access,
            window,
            wanted=wanted,
            calendar_ids=calendar_ids,
            include_moved=include_moved,
            people=people,
            calls=work.hold.calls,
        )

    return await work.session.use(call)


def _hints(edit: Edit) -> Iterator[date | None]:
    """Yield the days on which an edit's event may lie; None when nothing is known."""
    if edit.before is not None and edit.target is not None:
        yield first_day(edit.before.when)
        yield first_day(edit.target.when)
    elif edit.earlier is not None:
        yield first_day(edit.earlier.before.when)
        yield first_day(edit.earlier.target.when)
    elif edit.hint is not None:
        yield edit.hint
    elif edit.patch.expect_start is not None:
        moment = parse_moment(edit.patch.expect_start)
        yield date(moment.year, moment.month, moment.day)
    else:
        yield None


def first_day(when: When) -> date:
    """Return the day on which an event starts, in UTC for timed ones."""
    match when:
        case AllDay(start=start):
            return start
        case Timed(start=start):
            return start.date()
