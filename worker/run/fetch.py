"""Fetch: the account's calendars, and the events of a chunk in as few windows as cost least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from worker.cronofy import Access
from worker.errors import Rejected
from worker.model import AllDay, Calendar, EditState, Event, EventKey, Timed, When
from worker.rules import ReadWindow, parse_moment, plan_windows, readable_window
from worker.run.work import Work
from worker.store import Edit


async def fetch_calendars(work: Work, *, anew: bool = False) -> dict[str, Calendar]:
    """Return the account's calendars by id: from SQL while they are believed, else from the API."""
    account = work.hold.claim.account
    known = {calendar.calendar_id: calendar for calendar in account.calendars}
    needed = {edit.key.calendar_id for edit in work.open.values()}
    age_s = account.calendars_age_s
    fresh = age_s is not None and age_s < work.engine.settings.calendars_ttl
    if fresh and not anew and needed <= known.keys():
        return known
    listed = await work.session.use(
        lambda access: work.engine.client.calendars(access, calls=work.hold.calls)
    )
    await work.engine.db(work.engine.store.accounts.save_calendars, account.sub, listed)
    return {calendar.calendar_id: calendar for calendar in listed}


async def fetch_events(work: Work, calendars: Mapping[str, Calendar]) -> dict[EventKey, Event]:
    """Return the events of the open edits, as far as they can be seen.

    Calendars that take no edit anyway are not read, nor are unknown ones: one of them would have
    the API refuse the read for all the others. A hint is only a hint: what is not where it says is
    looked for in the whole readable window, once, before anybody may call it not found.
    """
    edits = [edit for edit in work.open.values() if _needs_reading(edit, calendars)]
    today = work.engine.clock.now().date()
    hints = [hint for edit in edits for hint in _hints(edit)]
    found: dict[EventKey, Event] = {}
    whole = readable_window(today)
    windows = plan_windows(hints, today=today)
    for window in [*windows, *([] if windows == [whole] else [whole])]:
        wanted = {edit.key for edit in edits} - found.keys()
        if wanted:
            found |= await _read(work, window, wanted)
    return found


def _needs_reading(edit: Edit, calendars: Mapping[str, Calendar]) -> bool:
    calendar = calendars.get(edit.key.calendar_id)
    if edit.state is EditState.ACCEPTED or calendar is None or calendar.deleted:
        return False
    return edit.target is not None or (calendar.elevated and not calendar.read_only)


async def _read(work: Work, window: ReadWindow, wanted: set[EventKey]) -> dict[EventKey, Event]:
    try:
        return await _read_once(work, window, wanted)
    except Rejected:
        # The API's day may have turned before ours: the outermost days are then refused.
        day = timedelta(days=1)
        narrower = ReadWindow(first=window.first + day, last=window.last - day)
        return await _read_once(work, narrower, wanted)


async def _read_once(
    work: Work, window: ReadWindow, wanted: set[EventKey]
) -> dict[EventKey, Event]:
    calendar_ids = sorted({key.calendar_id for key in wanted})

    async def call(access: Access) -> dict[EventKey, Event]:
        return await work.engine.client.read_events(
            access,
            window,
            wanted=wanted,
            calendar_ids=calendar_ids,
            # What an earlier run may have moved out of the window is shown for having been inside.
            include_moved=any(edit.target is not None for edit in work.open.values()),
            calls=work.hold.calls,
        )

    return await work.session.use(call)


def _hints(edit: Edit) -> Iterator[date | None]:
    """Yield the days on which an edit's event may lie; None when nothing is known."""
    if edit.before is not None and edit.target is not None:
        yield first_day(edit.before.when)
        yield first_day(edit.target.when)
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
