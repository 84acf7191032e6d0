"""Builds the bytes of an edit: only what must be sent, and never an `event_id` (law 4).

An edit is a POST of an event, not a patch: title, start and end go along every time, transparency
as well because leaving it out may reset it, anything else only when it changes (cronofy-api §4.3).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, assert_never
from urllib.parse import quote

import msgspec
from msgspec import Struct

from worker.model import AllDay, EventKey, Image, Timed, When

#: Whatever is not here does not leave: an unknown key could turn an edit into something else.
_SENDABLE = frozenset(
    {"event_uid", "summary", "start", "end", "transparency", "description", "location"}
)
#: the values that can be written; `unknown` can only be read (cronofy-api §3.3)
_WRITABLE_TRANSPARENCY = frozenset({"opaque", "transparent"})


class Write(Struct, gc=False, frozen=True, kw_only=True):
    """One edit, ready to be sent: every retry sends the same body (law 3)."""

    key: EventKey
    body: dict[str, Any]

    def __repr__(self) -> str:
        return f"Write({self.key!r}, {sorted(self.body)})"


def build_edit(
    key: EventKey, target: Image, fields: Collection[str], *, resend_location: bool = False
) -> Write:
    """Build the edit that makes the event look like `target`; `fields` are the ones that change.

    `resend_location` sends an unchanged location too, for providers that lose it otherwise.
    """
    start, end = _ends(target.when)
    body: dict[str, Any] = {
        "event_uid": key.event_uid,
        "summary": target.summary,
        "start": start,
        "end": end,
    }
    if target.transparency in _WRITABLE_TRANSPARENCY:
        body["transparency"] = target.transparency
    if "description" in fields:
        body["description"] = target.description
    if "location" in fields or (resend_location and target.location):
        body["location"] = {"description": target.location}
    return Write(key=key, body=body)


def events_path(calendar_id: str) -> str:
    """Return the path for edits of a calendar; the id cannot leave its place in it."""
    segment = quote(calendar_id, safe="@")
    if not segment.strip("."):
        segment = segment.replace(".", "%2E")
    return f"/v1/calendars/{segment}/events"


def single_body(write: Write) -> bytes:
    """Encode the body of one POST."""
    return msgspec.json.encode(_sendable(write))


def batch_body(writes: Sequence[Write]) -> bytes:
    """Encode the body of a batch; its entries stand in the order of `writes`."""
    entries = [
        {
            "method": "POST",
            "relative_url": events_path(write.key.calendar_id),
            "data": _sendable(write),
        }
        for write in writes
    ]
    return msgspec.json.encode({"batch": entries})


def _sendable(write: Write) -> dict[str, Any]:
    """Return the body, looked at once more at the last moment before it leaves.

    With an `event_id` the API ignores the uid and makes a new event (cronofy-api §5.1).
    """
    alien = set(write.body) - _SENDABLE
    if alien:
        named = "event_id" if "event_id" in alien else f"{len(alien)} unknown field(s)"
        raise ValueError(f"an edit of an external event never carries {named}")
    if not write.key.event_uid or write.body.get("event_uid") != write.key.event_uid:
        raise ValueError("an edit carries the event_uid of its own event")
    return write.body


def _ends(when: When) -> tuple[str | dict[str, str], str | dict[str, str]]:
    match when:
        case AllDay(start=first, end=last):
            return first.isoformat(), last.isoformat()
        case Timed(start=start, end=end, start_tzid=start_tzid, end_tzid=end_tzid):
            return (
                {"time": utc_text(start), "tzid": start_tzid},
                {"time": utc_text(end), "tzid": end_tzid},
            )
        case _:
            assert_never(when)


def utc_text(moment: datetime) -> str:
    """Write an aware time as the API takes it: UTC, whole seconds, with Z (cronofy-api §4.2)."""
    if moment.tzinfo is None:
        raise ValueError("a time without an offset cannot be sent")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
