"""What a fault does to a request, as frozen values [§11, rows 1, 16, 20, 21].

`taken` is the essential word: an answer that never comes says nothing about the write.
"""

from typing import Any

import msgspec


class _Act(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """The key `do` of its JSON says which one it is."""


class Reply(_Act, frozen=True, kw_only=True, tag="reply"):
    """Answers with a status, a batch item too; the write is taken before, or not at all."""

    status: int
    taken: bool = False
    #: Sent as Retry-After, whatever it is: seconds, a date, nonsense.
    retry_after: str | int | float | None = None
    body: str | None = None
    json: Any = None
    headers: dict[str, str] = {}


class Delay(_Act, frozen=True, kw_only=True, tag="delay"):
    """Answers as usual, but later: taken at arrival, or (`before`) only after the wait."""

    seconds: float
    before: bool = False


class Reset(_Act, frozen=True, kw_only=True, tag="reset"):
    """Cuts the connection with a TCP reset, before or after the write was taken."""

    taken: bool = False


class Hang(_Act, frozen=True, kw_only=True, tag="hang"):
    """Never answers (until `seconds` are over), before or after the write was taken."""

    taken: bool = False
    seconds: float = 3600.0


class Garbage(_Act, frozen=True, kw_only=True, tag="garbage"):
    """The right status, a body that is none; the write is taken unless told otherwise."""

    body: str = "<html><body>Please sign in</body></html>"
    content_type: str = "text/html"
    taken: bool = True


class Truncate(_Act, frozen=True, kw_only=True, tag="truncate"):
    """Announces the whole body, sends a share of it and closes; the write is taken."""

    keep: float = 0.5


class Slow(_Act, frozen=True, kw_only=True, tag="slow"):
    """Sends the body in trickles; the write is taken."""

    bytes_per_s: float = 1.0


class Huge(_Act, frozen=True, kw_only=True, tag="huge"):
    """Answers 200 with a JSON text of that size, gzipped where wanted; the write is taken."""

    size: int = 50_000_000
    gzip: bool = False


class Shorten(_Act, frozen=True, kw_only=True, tag="shorten"):
    """A batch reply that lacks its last entries; all writes are taken."""

    items: int = 1


class Lengthen(_Act, frozen=True, kw_only=True, tag="lengthen"):
    """A batch reply with more entries than were asked; all writes are taken."""

    items: int = 1


class LoopPages(_Act, frozen=True, kw_only=True, tag="loop_pages"):
    """A page whose next_page is itself."""


class Drop(_Act, frozen=True, kw_only=True, tag="drop"):
    """Accepts the write, which then never takes."""


class Late(_Act, frozen=True, kw_only=True, tag="late"):
    """Accepts the write, which takes that much later than the lag says."""

    seconds: float


class UserEdit(_Act, frozen=True, kw_only=True, tag="user_edit"):
    """A person changes (or deletes) the event just before the request is handled, or just after."""

    fields: dict[str, Any] = {}
    delete: bool = False
    after: bool = False
    #: None = the event that the request is about.
    calendar_id: str | None = None
    event_uid: str | None = None


Act = (
    Reply | Delay | Reset | Hang | Garbage | Truncate | Slow | Huge | Shorten | Lengthen
    | LoopPages | Drop | Late | UserEdit
)  # fmt: skip
