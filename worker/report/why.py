"""The story of one event: what was asked of it, what happened, how it ended, campaign by campaign.

Shown only to the operator who asks for this very event: it is the one report with event text in it.
Everything is escaped, since a title may hold what a terminal obeys (C19).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from worker.model import FINAL, Image, Timed
from worker.report.cells import visible
from worker.report.results import message_of
from worker.report.shown import start_and_end, utc
from worker.store import AuditRow, Campaign, Outcome

#: characters of a text that one line shows
SHOWN = 60
_TEXTS = ("summary", "description", "location", "transparency")


class Entry(Struct, frozen=True, kw_only=True):
    """One audit entry about the event."""

    at: datetime
    actor: str
    action: str
    code: str
    detail: dict[str, Any]


class Chapter(Struct, frozen=True, kw_only=True):
    """The event in one campaign. `changes` tells each field as before → target."""

    campaign: str
    key: str
    reason: str
    owner: str
    source: str
    submitted_at: datetime | None
    line_no: int
    ref: str
    account: str
    calendar_id: str
    event_uid: str
    asked: dict[str, str]
    #: the person was erased, and with them what was asked
    is_erased: bool
    changes: tuple[tuple[str, str, str], ...]
    status: str
    code: str
    meaning: str
    attempts: int
    http_status: int | None
    error_key: str
    sent_at: datetime | None
    accepted_at: datetime | None
    verified_at: datetime | None
    finished_at: datetime | None
    entries: tuple[Entry, ...]


def chapter(outcome: Outcome, campaign: Campaign | None, audit: list[AuditRow]) -> Chapter:
    """Return the event's chapter of a campaign; `audit` may hold entries of others."""
    about = (outcome.campaign_id, outcome.line_no)
    columns = campaign.columns if campaign else ()
    asked = zip(columns, outcome.cells, strict=False)
    return Chapter(
        campaign=outcome.campaign_id,
        key=campaign.key if campaign else "",
        reason=campaign.reason if campaign else "",
        owner=campaign.owner if campaign else "",
        source=campaign.source if campaign else "",
        submitted_at=campaign.submitted_at if campaign else None,
        line_no=outcome.line_no,
        ref=outcome.ref,
        account=outcome.account,
        calendar_id=outcome.calendar_id,
        event_uid=outcome.event_uid,
        asked={name: cell for name, cell in asked if cell and name not in _NAMING},
        is_erased=bool(columns) and not outcome.cells,
        changes=tuple(_changes(outcome)),
        status=str(outcome.state),
        code=outcome.code,
        meaning=message_of(outcome.code),
        attempts=outcome.attempts,
        http_status=outcome.http_status,
        error_key=outcome.error_key,
        sent_at=outcome.sent_at,
        accepted_at=outcome.accepted_at,
        verified_at=outcome.verified_at,
        finished_at=outcome.finished_at,
        entries=tuple(_entry(row) for row in audit if (row.campaign_id, row.line_no) == about),
    )


_NAMING = frozenset({"account", "calendar_id", "event_uid"})


def told(found: Chapter) -> Iterator[str]:
    """Tell a chapter in lines for a person, everything escaped."""
    for line in _told(found):
        yield visible(line)


def _told(found: Chapter) -> Iterator[str]:
    yield f"campaign {found.campaign}  {found.key}  ({found.reason})"
    by = f", by {found.owner}" if found.owner else ""
    yield f"  asked      line {found.line_no} of {found.source}{by}, {utc(found.submitted_at)}"
    for name, value in found.asked.items():
        yield f"               {name} = {_short(value)}"
    if found.is_erased:
        yield "               (its texts have been erased)"
    for number, (name, before, target) in enumerate(found.changes):
        yield f"  {'' if number else 'change':<9}  {name}: {_short(before)} → {_short(target)}"
    yield from _calls(found)
    how = f" ({found.code})" if found.code and found.code != found.status else ""
    yield f"  outcome    {found.status}{how} {found.meaning}".rstrip()
    for number, entry in enumerate(found.entries):
        detail = msgspec.json.encode(entry.detail).decode() if entry.detail else ""
        words = (utc(entry.at), entry.action, entry.code, detail, f"by {entry.actor}")
        yield f"  {'' if number else 'audit':<9}  {'  '.join(word for word in words if word)}"


def _calls(found: Chapter) -> Iterator[str]:
    if found.sent_at:
        answer = f", answered {found.http_status}" if found.http_status else ""
        key = f" ({found.error_key})" if found.error_key else ""
        tries = f"{found.attempts} attempt{'s' if found.attempts != 1 else ''}"
        yield f"  sent       {utc(found.sent_at)}, {tries}{answer}{key}"
    elif found.status in FINAL:
        yield "  sent       never; the API was not asked to change anything"
    if found.accepted_at:
        yield f"  accepted   {utc(found.accepted_at)} (a promise, not a proof)"
    if found.verified_at:
        yield f"  read back  {utc(found.verified_at)}: the event is as asked"


def _changes(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    before, target = outcome.before, outcome.target
    if before is None or target is None:
        return
    pairs = zip(("start", "end"), start_and_end(before), start_and_end(target), strict=True)
    for name, old, new in pairs:
        if old != new:
            yield name, _in_zone(old, before), _in_zone(new, target)
    for name in _TEXTS:
        if (old := getattr(before, name)) != (new := getattr(target, name)):
            yield name, old, new


def _in_zone(moment: str, image: Image) -> str:
    return f"{moment} {image.when.start_tzid}" if isinstance(image.when, Timed) else moment


def _entry(row: AuditRow) -> Entry:
    detail = msgspec.json.decode(row.detail) if row.detail else {}
    return Entry(at=row.at, actor=row.actor, action=row.action, code=row.code, detail=detail)


def _short(text: str) -> str:
    cut = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return cut or '""'
