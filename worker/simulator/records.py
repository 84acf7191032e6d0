"""What the simulator remembers of requests and writes, and the log file it keeps of them."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request as it was answered. Tokens are never kept."""

    #: Seconds since the epoch at arrival.
    at: float
    method: str
    route: str
    path: str
    #: 0 where the connection was cut or left hanging.
    status: int
    sub: str | None = None
    #: Entries of a batch, events of a read.
    items: int = 0
    #: What it cost against the limit; 0 where the route does not count or the call was refused.
    weight: int = 1
    #: Which fault was played, if any.
    fault: str | None = None
    took_s: float = 0.0


class WriteRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One write as it was judged, alone or as an item of a batch."""

    at: float
    sub: str
    calendar_id: str
    event_uid: str | None
    body: dict[str, Any]
    #: As judged; a fault may have hidden it from the caller.
    status: int
    #: True where the write takes (or took) effect.
    taken: bool
    via: Literal["single", "batch"]
    action: Literal["edit", "delete", "participation"] = "edit"


class Journal:
    """Appends every record to a file as one JSON object a line, at once."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab", buffering=0) if path else None
        self._encoder = msgspec.json.Encoder()

    def note(self, record: RequestRecord | WriteRecord) -> None:
        """Writes one record."""
        if self._file:
            kind = "write" if isinstance(record, WriteRecord) else "request"
            shown = {"kind": kind, **msgspec.structs.asdict(record)}
            self._file.write(self._encoder.encode(shown) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()


def counts(requests: list[RequestRecord]) -> dict[str, int]:
    """How often each route was answered with each status, as `edit 202`."""
    return dict(sorted(Counter(f"{seen.route} {seen.status}" for seen in requests).items()))
