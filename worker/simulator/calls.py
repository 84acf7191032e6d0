"""A request as handlers see it: parsed, authenticated, free of sockets."""

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from worker.simulator.answers import Refusal, unprocessable
from worker.simulator.faults import Fault
from worker.simulator.values import Account, Key

_FORM = "application/x-www-form-urlencoded"


class Call(msgspec.Struct, kw_only=True):
    """One request to the API."""

    method: str
    #: The decoded segments of the path.
    segments: tuple[str, ...]
    query: list[tuple[str, str]]
    body: Any
    #: Scheme and host as the caller addressed them: next_page points there [row 4].
    base_url: str
    bearer: str | None = None
    #: Filled by the router: the names in the route's path, and whose token it is.
    names: dict[str, str] = msgspec.field(default_factory=dict)
    account: Account | None = None
    #: A fault that touches the writes of this call.
    fault: Fault | None = None

    @property
    def owner(self) -> Account:
        """The account whose token came with the call."""
        if self.account is None:
            raise Refusal(401)
        return self.account

    def fields(self) -> dict[str, Any]:
        """The body as an object; anything else is refused."""
        if isinstance(self.body, dict):
            return self.body
        raise unprocessable("body", "errors.invalid_body", "the body must be a JSON object")

    def targets(self) -> tuple[Key, ...]:
        """The events or calendars that the call is about, for faults to match."""
        calendar_id = self.names.get("calendar_id")
        if calendar_id is None:
            asked = tuple((value, "") for name, value in self.query if name == "calendar_ids[]")
            return asked or batch_targets(self.body)
        body = self.body if isinstance(self.body, dict) else {}
        uid = self.names.get("event_uid") or body.get("event_uid") or body.get("event_id") or ""
        return ((calendar_id, str(uid)),)


def batch_entries(body: Any) -> list[Any]:
    """The entries of a batch body, or nothing where it is none."""
    entries = body.get("batch") if isinstance(body, dict) else None
    return entries if isinstance(entries, list) else []


def batch_targets(body: Any) -> tuple[Key, ...]:
    """The (calendar_id, event_uid) of every entry of a batch body."""
    return tuple(_target(entry) for entry in batch_entries(body) if isinstance(entry, dict))


@lru_cache(maxsize=4096)  # a batch names the same few calendars again and again
def path_segments(raw_path: str) -> tuple[str, ...]:
    """A path's segments; an id may contain anything, percent-encoded [§2]."""
    return tuple(unquote(part) for part in raw_path.split("?", 1)[0].strip("/").split("/"))


def read_body(raw: bytes, content_type: str) -> Any:
    """A body as JSON or form [§1.1]; an empty one is {}; one that cannot be read is None."""
    if content_type.startswith(_FORM):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    if not raw.strip():
        return {}
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _target(entry: dict[str, Any]) -> Key:
    segments = path_segments(str(entry.get("relative_url", "")))
    body = entry.get("data")
    body = body if isinstance(body, dict) else {}
    calendar_id = segments[2] if len(segments) > 2 else ""  # noqa: PLR2004  # v1/calendars/{id}/events
    return calendar_id, str(body.get("event_uid") or body.get("event_id") or "")
