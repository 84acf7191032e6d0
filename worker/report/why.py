"""The story of one event: what was asked of it, what happened, how it ended, campaign by campaign.

Shown only to the operator who asks for this very event: it is the one report with event text in it.
`story` tells it to a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from worker.model import Image, Timed
from worker.report.around import Around, Deed, approvals_of, detail_of
from worker.report.results import message_of
from worker.report.shown import start_and_end
from worker.report.words import words_of
from worker.store import AuditRow, Campaign, Outcome

_TEXTS = ("summary", "description", "location", "transparency")


class Entry(Struct, frozen=True, kw_only=True):
    """One audit entry; `said` is what it says, in words."""

    at: datetime
    actor: str
    action: str
    code: str
    said: str
    detail: dict[str, Any]


class Link(Struct, frozen=True, kw_only=True):
    """The same event in another campaign."""

    campaign: str
    line_no: int
    status: str


class Chapter(Struct, frozen=True, kw_only=True):
    """The event in one campaign. `changes` tells each field as before → target.

    `rule` is what a campaign file does to each event, in words; `found` each field that a conflict
    found otherwise, as (field, before, target, found). `deeds` are about the whole campaign.
    """

    campaign: str
    key: str
    kind: str
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
    rule: tuple[str, ...]
    #: the person was erased, and with them what was asked
    is_erased: bool
    #: what was stored of the campaign's events has been pruned
    is_pruned: bool
    plan: str
    planned_at: datetime | None
    approvals: tuple[Deed, ...]
    changes: tuple[tuple[str, str, str], ...]
    found: tuple[tuple[str, str, str, str], ...]
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
    deeds: tuple[Entry, ...]
    #: what it takes back, as CAMPAIGN:LINE; the campaign that it tries again; and by which it was
    takes_back: str
    tries_again: str
    undone_by: tuple[Link, ...] = ()
    tried_again_by: tuple[Link, ...] = ()


def chapter(
    outcome: Outcome,
    campaign: Campaign | None,
    audit: Sequence[AuditRow],
    *,
    deeds: Sequence[AuditRow] = (),
    rule: Sequence[str] = (),
) -> Chapter:
    """Return the event's chapter of a campaign; `audit` may hold entries of others.

    `deeds` are those of the campaign's own chain, `rule` what its file does, in words.
    """
    about = (outcome.campaign_id, outcome.line_no)
    around = Around(deeds=tuple(deeds))
    is_retry = campaign is not None and campaign.kind == "retry"
    return Chapter(
        campaign=outcome.campaign_id,
        key=campaign.key if campaign else "",
        kind=campaign.kind if campaign else "",
        reason=campaign.reason if campaign else "",
        owner=campaign.owner if campaign else "",
        source=campaign.source if campaign else "",
        submitted_at=campaign.submitted_at if campaign else None,
        line_no=outcome.line_no,
        ref=outcome.ref,
        account=outcome.account,
        calendar_id=outcome.calendar_id,
        event_uid=outcome.event_uid,
        asked=_asked(outcome, campaign),
        rule=tuple(rule),
        is_erased=bool(campaign and campaign.columns) and not outcome.cells,
        is_pruned=campaign is not None and _is_pruned(outcome, campaign),
        plan=f"sha256:{campaign.plan_hash}" if campaign and campaign.plan_hash else "",
        planned_at=campaign.planned_at if campaign else None,
        approvals=approvals_of(campaign, around) if campaign else (),
        changes=tuple(_changes(outcome)),
        found=tuple(_found(outcome)),
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
        entries=tuple(entry_of(row) for row in audit if (row.campaign_id, row.line_no) == about),
        deeds=tuple(map(entry_of, deeds)),
        takes_back=outcome.undoes,
        tries_again=(campaign.parent or "") if campaign and is_retry else "",
    )


def linked(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Return an event's chapters, each naming those that took it back or tried it again."""
    return [
        replace(
            one,
            undone_by=tuple(_link(each) for each in chapters if _takes_back(each, one)),
            tried_again_by=tuple(_link(each) for each in chapters if _tries_again(each, one)),
        )
        for one in chapters
    ]


def _takes_back(later: Chapter, earlier: Chapter) -> bool:
    return later.takes_back == f"{earlier.campaign}:{earlier.line_no}"


def _tries_again(later: Chapter, earlier: Chapter) -> bool:
    is_same = (later.account, later.calendar_id) == (earlier.account, earlier.calendar_id)
    return is_same and later.tries_again == earlier.campaign


def _link(found: Chapter) -> Link:
    return Link(campaign=found.campaign, line_no=found.line_no, status=found.status)


_NAMING = frozenset({"account", "calendar_id", "event_uid"})
#: the one column of a JSONL file, which is the line itself
_LINE = ("line",)


def _asked(outcome: Outcome, campaign: Campaign | None) -> dict[str, str]:
    """Return what the line asks beside naming the event."""
    columns = campaign.columns if campaign else ()
    if columns == _LINE and outcome.cells:
        return _asked_in(outcome.cells[0])
    asked = zip(columns, outcome.cells, strict=False)
    return {name: cell for name, cell in asked if cell and name not in _NAMING}


def _asked_in(line: str) -> dict[str, str]:
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"line": line}
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in found.items()
        if name not in _NAMING
    }


def _is_pruned(outcome: Outcome, campaign: Campaign) -> bool:
    """Tell whether something was stored of the event, and has been dropped by age since."""
    return campaign.image_key is None and outcome.before is None and bool(outcome.fields)


def _changes(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    before, target = outcome.before, outcome.target
    if before is None or target is None:
        return
    new = dict(_values(target))
    for name, old in _values(before):
        if old != new[name]:
            yield name, old, new[name]


def _found(outcome: Outcome) -> Iterator[tuple[str, str, str, str]]:
    """Yield the three values of each field that somebody else has changed."""
    before, seen = outcome.before, outcome.seen
    if before is None or seen is None:
        return
    target, there = dict(_values(outcome.target or before)), dict(_values(seen))
    for name, old in _values(before):
        if there[name] != old:
            yield name, old, target[name], there[name]


def _values(image: Image) -> Iterator[tuple[str, str]]:
    """Yield what may be edited of an event, by name; times in their zone."""
    for name, moment in zip(("start", "end"), start_and_end(image), strict=True):
        zone = f" {image.when.start_tzid}" if isinstance(image.when, Timed) else ""
        yield name, f"{moment}{zone}"
    for name in _TEXTS:
        yield name, getattr(image, name)


def entry_of(row: AuditRow) -> Entry:
    """Return an audit entry as it is told."""
    return Entry(
        at=row.at,
        actor=row.actor,
        action=row.action,
        code=row.code,
        said=words_of(row),
        detail=detail_of(row),
    )
