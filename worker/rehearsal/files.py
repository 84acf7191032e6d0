"""Copying from files: .ics calendars, and saved answers of Read Events.

Each file becomes one account. What it does not tell is made up, and said: whose it is, what the
calendars are called, and that they may be edited.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from worker.errors import InvalidInput, Problem, SettingsError
from worker.rehearsal.book import Book
from worker.rehearsal.shapes import account_of, calendar_of, event_of
from worker.rules import ReadWindow, readable_window
from worker.simulator.seeds.ics import read_ics
from worker.simulator.values import UNRESTRICTED, Account, Calendar, Event

_any = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What files are taken for: the accounts and calendars that the campaign is about, in order."""

    subs: Sequence[str] = ()
    label: str = ""
    calendars: Sequence[str] = ()
    #: whose calendars they are, for rules about the organizer
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file was taken for. `hidden` events lie where Cronofy shows none."""

    name: str
    account: str
    calendars: tuple[str, ...]
    events: int
    hidden: int
    unusable: int
    first: date | None
    last: date | None
    #: what was made up, in words
    made_up: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Content:
    """A file as it was read."""

    account: Account
    calendars: list[Calendar] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unusable: int = 0
    made_up: list[str] = field(default_factory=list)


def copy_files(paths: Sequence[Path], book: Book, *, naming: Naming, now: datetime) -> list[Source]:
    """Copy files; returns what each was taken for. Raises InvalidInput for what is none."""
    window = readable_window(now.astimezone(UTC).date())
    sources: list[Source] = []
    for number, path in enumerate(paths):
        sub = naming.subs[number] if number < len(naming.subs) else f"acc_{_slug(path)}"
        content = _content(path, sub, naming=naming, window=window, now=now)
        _refuse_twice(path, content, sources)
        shown = [each for each in content.events if _is_shown(each, window)]
        book.add(content.account, content.calendars, shown)
        book.copied.unusable += content.unusable
        sources.append(_source(path, content, shown))
    return sources


def _content(
    path: Path, sub: str, *, naming: Naming, window: ReadWindow, now: datetime
) -> _Content:
    try:
        if path.suffix.lower() in {".ics", ".ical", ".icalendar"}:
            return _of_calendar(path, sub, naming=naming, window=window)
        return _of_answers(path, sub, naming=naming, now=now)
    except ImportError as missing:
        raise SettingsError(
            "Reading .ics files needs what is not installed",
            next_step="pip install 'calpatch[demo]'",
        ) from missing
    except OSError as error:
        raise _refused(path, f"the file cannot be read: {error.strerror}") from error


def _refuse_twice(path: Path, content: _Content, before: Sequence[Source]) -> None:
    """Refuse what an earlier file stands for: one would take the other's place."""
    for each in before:
        if each.account == content.account.sub:
            raise _refused(path, f"{each.name} stands for account {each.account} already")
        if twice := {one.calendar_id for one in content.calendars} & {*each.calendars}:
            raise _refused(path, f"{each.name} has calendar {min(twice)} already")


def _source(path: Path, content: _Content, shown: Sequence[Event]) -> Source:
    days = [_day(each.start) for each in shown]
    return Source(
        name=path.name,
        account=content.account.sub,
        calendars=tuple(each.calendar_id for each in content.calendars),
        events=len(shown),
        hidden=len(content.events) - len(shown),
        unusable=content.unusable,
        first=min(days, default=None),
        last=max(days, default=None),
        made_up=tuple(content.made_up),
    )


# ---------------------------------------------------------------- .ics


def _of_calendar(path: Path, sub: str, *, naming: Naming, window: ReadWindow) -> _Content:
    calendar_id = naming.calendars[0] if len(naming.calendars) == 1 else f"cal_{_slug(path)}"
    try:
        read = read_ics(path, calendar_id=calendar_id, first=window.first, last=window.last)
    except ValueError as wrong:
        raise _refused(path, "not an iCalendar file, which begins with BEGIN:VCALENDAR") from wrong
    told = naming.address or (read.name if "@" in read.name else "")
    account = _account(sub, naming, address=told, tzid=read.tzid)
    calendar = _made_up(calendar_id, account)
    calendar.primary = True
    made_up = ["its calendar is taken for the primary one, to be edited without restriction"]
    return _Content(account=account, calendars=[calendar], events=read.events, made_up=made_up)


# ---------------------------------------------------------------- saved answers


def _of_answers(path: Path, sub: str, *, naming: Naming, now: datetime) -> _Content:
    """Read pages of Read Events, or their events; and answers of List Calendars among them."""
    account = _account(sub, naming, address=naming.address)
    content = _Content(account=account)
    profile_id = next(iter(account.profiles))
    events: dict[tuple[str, str], Event] = {}
    for kind, raw in _told(_decoded(path)):
        if kind == "calendar":
            # Of its profiles nothing is known: there is one, made up.
            calendar = calendar_of(raw | {"profile_id": ""}, sub=sub, profile_id=profile_id)
            content.calendars += [calendar] if calendar else []
        elif event := event_of(raw, now=now):
            events[event.key] = event
        else:
            content.unusable += 1
    if not events and not content.calendars:
        raise _refused(path, 'no answer of Read Events, which has a list "events"')
    content.events = [*events.values()]
    _add_calendars(content)
    return content


def _decoded(path: Path) -> Any:
    """Return what a file holds: one JSON value, or one in each line."""
    text = path.read_bytes()
    try:
        return _any.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return [_any.decode(line) for line in text.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Without the cause: its text may quote the file.
        raise _refused(path, "neither JSON nor JSON lines") from None


def _told(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the events and calendars that a value holds, page by page or one by one."""
    if isinstance(value, list):
        for each in value:
            yield from _told(each)
    elif isinstance(value, dict):
        if "event_uid" in value or "start" in value:
            yield "event", value
        elif "permission_level" in value or "calendar_readonly" in value:
            yield "calendar", value
        yield from _told(value.get("events"))
        yield from _told(value.get("calendars"))


def _add_calendars(content: _Content) -> None:
    """Make up the calendars that only events name; the one with most events is the primary one."""
    known = {each.calendar_id for each in content.calendars}
    found = Counter(each.calendar_id for each in content.events)
    missing = [name for name, _ in found.most_common() if name not in known]
    content.calendars += [_made_up(name, content.account) for name in missing]
    if missing:
        kind = "is taken for one" if len(missing) == 1 else "are taken for ones"
        content.made_up.append(
            f"{len(missing)} of its calendars {kind} to be edited without restriction"
        )
    if not any(each.primary for each in content.calendars):
        first = max(content.calendars, key=lambda each: found[each.calendar_id])
        first.primary = True
        content.made_up.append(f"{first.calendar_id} is taken for the primary calendar")


# ---------------------------------------------------------------- what is made up


def _account(sub: str, naming: Naming, *, address: str, tzid: str = "") -> Account:
    return account_of({"email": address, "zoneinfo": tzid}, sub=sub, label=naming.label)


def _made_up(calendar_id: str, account: Account) -> Calendar:
    return Calendar(
        calendar_id=calendar_id,
        calendar_name=calendar_id,
        sub=account.sub,
        profile_id=next(iter(account.profiles)),
        permission_level=UNRESTRICTED,
    )


def _slug(path: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "file"


def _is_shown(event: Event, window: ReadWindow) -> bool:
    return window.first <= _day(event.end) and _day(event.start) < window.last


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _refused(path: Path, message: str) -> InvalidInput:
    return InvalidInput([Problem(line=0, column="", value=path.name, message=message)])
