"""Selection: which events a campaign file means, read from live calendars.

It only reads, a few accounts at a time, and streams what it finds: a large tenant needs no more
memory than its largest calendar. What may be done to an event is not asked here: the plan counts
and names what must not be touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

import msgspec

from worker.cronofy import Access, CallCount
from worker.engine import Engine
from worker.errors import CredentialsLocked, NotPermitted, TokenLost
from worker.model import Calendar, Elsewhere, Event, EventKey, Op, Patch, Select
from worker.rules import (
    ReadWindow,
    Turn,
    is_relative,
    matches,
    readable_window,
    starts_within,
    utc_days,
)
from worker.store import Account, EditRow
from worker.tokens import Session

T = TypeVar("T")

#: accounts that are read at a time
AT_ONCE = 8
#: the columns that the results of a selection echo
COLUMNS = ("account", "calendar_id", "event_uid", "ref")
#: its cells: all of them are the edit's own
_CELLS = "[0,1,2,3]"

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class Selected:
    """What a selection has read and found, complete once its rows have been taken."""

    accounts: int = 0
    calendars: int = 0
    events: int = 0
    matched: int = 0
    #: accounts that could not be read, each with the reason
    unread: dict[str, str] = field(default_factory=dict)
    #: accounts without any of the calendars meant
    without: list[str] = field(default_factory=list)
    #: SHA-256 over everything selected: what is frozen and approved
    digest: str = ""
    calls: CallCount = field(default_factory=CallCount)


def accounts_meant(accounts: Iterable[Account], select: Select) -> list[Account]:
    """Return the accounts that a selection names, by name; all of them when it names none."""
    return [
        account
        for account in accounts
        if (not select.subs or account.sub in select.subs)
        and (not select.labels or account.label in select.labels)
    ]


def calendars_meant(calendars: Iterable[Calendar], select: Select) -> list[Calendar]:
    """Return the calendars of an account that a selection means; deleted ones never."""
    return [
        calendar
        for calendar in calendars
        if not calendar.deleted
        and calendar.calendar_id not in select.exclude
        and (not select.calendars or calendar.calendar_id in select.calendars)
        and select.primary in {None, calendar.primary}
    ]


async def selected_rows(
    engine: Engine,
    select: Select,
    ops: Sequence[Op],
    *,
    found: Selected,
    progress: Callable[[int], None] | None = None,
) -> AsyncIterator[list[EditRow]]:
    """Yield the lines of a campaign, an account's at a time and in the order of accounts.

    The order within an account is that of calendars, days and uids, so that the same calendars give
    the same lines. `found` is filled meanwhile; `progress` is told how many accounts have been
    read. Raises the API's and the limiter's errors: half a selection is none.
    """
    accounts = accounts_meant(await engine.db(engine.store.accounts.all), select)
    asked = Patch(ops=tuple(ops), move=Elsewhere())
    patch, relative = _encode(asked).decode(), is_relative(asked)
    frozen, line_no = sha256(), 0
    for first in range(0, len(accounts), AT_ONCE):
        some = accounts[first : first + AT_ONCE]
        reads = await together([_read(engine, one, select, found) for one in some])
        for account, events in zip(some, reads, strict=True):
            rows = []
            for event in events:
                line_no += 1
                rows.append(_row(line_no, account.sub, event, patch=patch, relative=relative))
                named = "\0".join((account.sub, *event.key))
                frozen.update(f"{named}\n".encode())
            found.accounts += 1
            found.matched += len(rows)
            yield rows
            if progress is not None:
                progress(found.accounts)
    found.digest = frozen.hexdigest()


async def together(reads: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Do several reads at a time; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


async def _read(engine: Engine, account: Account, select: Select, found: Selected) -> list[Event]:
    """Return the events of an account that are meant, in order."""
    if not account.usable:
        found.unread[account.sub] = f"{account.status}: {account.reason or 'unknown'}"
        return []
    session = engine.session(account, found.calls, turn=Turn(urgent=False, account=account.sub))
    try:
        return await _read_on(engine, session, account, select, found)
    except (TokenLost, CredentialsLocked, NotPermitted) as refused:
        found.unread[account.sub] = refused.message
        return []


async def _read_on(
    engine: Engine, session: Session, account: Account, select: Select, found: Selected
) -> list[Event]:
    client, calls = engine.client, found.calls
    listed = await session.use(lambda access: client.calendars(access, calls=calls))
    await engine.db(engine.store.accounts.save_calendars, account.sub, listed)
    meant = calendars_meant(listed, select)
    if not meant:
        found.without.append(account.sub)
        return []
    found.calendars += len(meant)
    own: Collection[str] = ()
    if select.match.organizer is not None or select.match.organizer_domains:
        info = await session.use(lambda access: client.account(access, calls=calls))
        own = info.addresses
    names = sorted(calendar.calendar_id for calendar in meant)
    window = window_of(select, engine)
    if window is None:
        return []

    async def read(access: Access) -> dict[EventKey, Event]:
        return await client.read_events(
            access,
            window,
            wanted=None,
            calendar_ids=names,
            include_deleted=False,
            people=True,
            calls=calls,
        )

    events = await session.use(read)
    found.events += len(events)
    fits = [
        event
        for event in events.values()
        if starts_within(event.image.when, select.between) and matches(event, select.match, own=own)
    ]
    return sorted(fits, key=lambda event: (event.calendar_id, _day(event), event.event_uid))


def window_of(select: Select, engine: Engine) -> ReadWindow | None:
    """Return the days to read, as far as the API shows them; None when it shows none of them."""
    first, last = utc_days(select.between)
    shown = readable_window(engine.clock.now().date())
    first, last = max(first, shown.first), min(last, shown.last)
    return ReadWindow(first=first, last=last) if first <= last else None


def _day(event: Event) -> str:
    return event.image.when.start.isoformat()[:10]


def _row(line_no: int, account: str, event: Event, *, patch: str, relative: bool) -> EditRow:
    named = f"{account}\0{event.calendar_id}\0{event.event_uid}\0{patch}"
    return EditRow(
        line_no=line_no,
        account=account,
        calendar_id=event.calendar_id,
        event_uid=event.event_uid,
        hint=_day(event),
        ref="",
        patch=patch,
        cells=_CELLS,
        change_digest=sha256(named.encode()).hexdigest()[:32],
        relative=relative,
        duplicate=False,
    )
