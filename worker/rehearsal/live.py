"""Copying live calendars: reads alone, through the limiter that all calls share.

The copy has what the campaign is about: its accounts with all their calendars, and the events of
those calendars and days that are meant. Tokens stay where they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.app import open_engine
from worker.cronofy import CALENDARS, USERINFO, CallCount
from worker.engine import Engine
from worker.errors import CredentialsLocked, NotPermitted, TokenLost, WorkerError
from worker.model import AccountStatus, Code, Select
from worker.model import Calendar as Listed
from worker.rehearsal.book import Book, Standing
from worker.rehearsal.shapes import account_of, calendar_of, event_of
from worker.rules import ReadWindow, Turn, readable_window
from worker.selection import AT_ONCE, accounts_meant, calendars_meant, together, window_of
from worker.settings import Settings
from worker.simulator.values import Account, Calendar, Event, Profile
from worker.store import Account as Known
from worker.store import Store
from worker.tokens import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What is to be copied: accounts, which of their calendars, and the days; None are none."""

    accounts: Sequence[Known]
    calendars: Callable[[str, Sequence[Listed]], Iterable[str]]
    window: Callable[[Engine], ReadWindow | None]


def meant_by(select: Select, store: Store) -> Meant:
    """Return what a campaign file selects from."""
    return Meant(
        accounts=accounts_meant(store.accounts.all(), select),
        calendars=lambda _, listed: [each.calendar_id for each in calendars_meant(listed, select)],
        window=lambda engine: window_of(select, engine),
    )


def meant_in(named: Mapping[str, set[str]], store: Store) -> Meant:
    """Return what a file of edits names: calendars by account, on all days that can be read."""
    return Meant(
        accounts=[each for each in store.accounts.all() if each.sub in named],
        calendars=lambda sub, _: named[sub],
        window=lambda engine: readable_window(engine.clock.now().date()),
    )


def copy_live(
    settings: Settings,
    store: Store,
    meant: Meant,
    book: Book,
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Copy accounts; `progress` is told how many are done.

    Raises the API's and the limiter's errors: half a copy is none.
    """

    async def copy() -> None:
        async with open_engine(settings, store=store) as engine:
            await copy_accounts(engine, meant, book, progress=progress)

    asyncio.run(copy())


async def copy_accounts(
    engine: Engine, meant: Meant, book: Book, *, progress: Callable[[int], None] | None = None
) -> None:
    """Copy accounts, a few at a time and in their order."""
    calls = CallCount()
    for first in range(0, len(meant.accounts), AT_ONCE):
        some = meant.accounts[first : first + AT_ONCE]
        reads = [_Copying(engine, one, meant, calls).whole() for one in some]
        for known, piece in zip(some, await together(reads), strict=True):
            _write(book, known, piece)
        if progress is not None:
            progress(first + len(some))
    book.copied.calls = calls.total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What one account came to; `standing` None means that it could be read."""

    account: Account
    calendars: Sequence[Calendar] = ()
    events: Sequence[Event] = ()
    unusable: int = 0
    standing: Standing | None = None


def _write(book: Book, known: Known, piece: _Piece) -> None:
    if piece.standing is not None:
        book.copied.unread[known.sub] = piece.standing
    book.copied.unusable += piece.unusable
    book.add(piece.account, piece.calendars, piece.events)


class _Copying:
    """The copying of one account."""

    def __init__(self, engine: Engine, known: Known, meant: Meant, calls: CallCount) -> None:
        self._engine = engine
        self._known = known
        self._meant = meant
        self._calls = calls

    async def whole(self) -> _Piece:
        """Copy it, or what is known of it where it cannot be read."""
        known = self._known
        if not known.usable:
            return self._bare(Standing(known.status, known.reason))
        turn = Turn(urgent=False, account=known.sub)
        try:
            return await self._read(self._engine.session(known, self._calls, turn=turn))
        except (TokenLost, CredentialsLocked, NotPermitted) as refused:
            return self._bare(_standing(refused))

    def _bare(self, standing: Standing) -> _Piece:
        account = account_of({}, sub=self._known.sub, label=self._known.label)
        return _Piece(account=account, standing=standing)

    async def _read(self, session: Session) -> _Piece:
        client, calls, sub = self._engine.client, self._calls, self._known.sub
        about = await session.use(lambda access: client.copy(access, USERINFO, calls=calls))
        told = await session.use(lambda access: client.copy(access, CALENDARS, calls=calls))
        account = account_of(about, sub=sub, label=self._known.label)
        calendars = _calendars(told.get("calendars"), account)
        listed = [
            Listed(calendar_id=each.calendar_id, primary=each.primary, deleted=each.deleted)
            for each in calendars
        ]
        there = {each.calendar_id for each in calendars}
        names = sorted(there & {*self._meant.calendars(sub, listed)})
        raw = await self._events(session, names)
        read = [event_of(each, now=self._engine.clock.now()) for each in raw]
        return _Piece(
            account=account,
            calendars=calendars,
            events=[each for each in read if each is not None],
            unusable=read.count(None),
        )

    async def _events(self, session: Session, names: Sequence[str]) -> Sequence[Any]:
        client, calls = self._engine.client, self._calls
        window = self._meant.window(self._engine)
        if window is None or not names:
            return ()
        read = await session.use(
            lambda access: client.copy_events(access, window, calendar_ids=names, calls=calls)
        )
        # With very many calendars all of them are read.
        meant = (each for each in read if _key(each)[0] in names)
        return [*{_key(each): each for each in meant}.values()]


def _key(raw: Any) -> tuple[str, object]:
    """Return an event's calendar, and what it is told apart by; one without a uid is like none."""
    told = raw if isinstance(raw, dict) else {}
    return str(told.get("calendar_id")), told.get("event_uid") or id(raw)


def _calendars(raw: Any, account: Account) -> list[Calendar]:
    """Return an account's calendars; a profile that only they name is taken for connected."""
    first = next(iter(account.profiles))
    read = [calendar_of(each, sub=account.sub, profile_id=first) for each in raw or ()]
    calendars = {each.calendar_id: each for each in read if each is not None}
    for each in calendars.values():
        made_up = Profile(profile_id=each.profile_id, profile_name=account.email)
        account.profiles.setdefault(each.profile_id, made_up)
    return [*calendars.values()]


def _standing(refused: WorkerError) -> Standing:
    if isinstance(refused, TokenLost):
        return Standing(AccountStatus.LOST, refused.reason)
    if isinstance(refused, CredentialsLocked):
        return Standing(AccountStatus.PARKED, str(Code.ACCOUNT_LOCKED))
    return Standing(AccountStatus.PARKED, str(Code.PERMISSION_MISSING))
