"""What a handler returns, and the refusals it may raise [§8]. Nothing here knows of sockets."""

from typing import Any

import msgspec

OK = 200
ACCEPTED = 202
MULTI_STATUS = 207
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
UNPROCESSABLE = 422
LOCKED = 423
TOO_MANY = 429
#: From here on a status is the service's own fault.
SERVER_ERROR = 500

_ENCODER = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """An answer before it goes to the wire; `content` None = empty body."""

    status: int = OK
    content: Any = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    def body(self) -> bytes:
        """The bytes to send; text and bytes go as they are, all else as JSON."""
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return self.content.encode("utf-8", "surrogatepass")
        return _ENCODER.encode(self.content)


class Refusal(Exception):
    """A request that the service does not carry out."""

    def __init__(
        self, status: int, content: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.content = content
        self.headers = headers or {}

    def answer(self) -> Answer:
        """The refusal as an answer."""
        return Answer(self.status, self.content, self.headers)


class Problems:
    """Collects every problem of a request, so that one 422 names all of them [§4.2]."""

    def __init__(self) -> None:
        self.errors: dict[str, list[dict[str, str]]] = {}

    def add(self, field: str, key: str, description: str) -> None:
        """Notes one problem of one field; nested fields are dotted."""
        self.errors.setdefault(field, []).append({"key": key, "description": description})

    def raise_any(self) -> None:
        """Refuses the request where a problem was found."""
        if self.errors:
            raise Refusal(UNPROCESSABLE, {"errors": self.errors})


def unprocessable(field: str, key: str, description: str) -> Refusal:
    """A 422 about one field."""
    return Refusal(UNPROCESSABLE, {"errors": {field: [{"key": key, "description": description}]}})


def not_permitted(why: str) -> Refusal:
    """A 403; its body is unknown, plain text was seen in a compatible service [§8]."""
    return Refusal(FORBIDDEN, why)


def coded(status: int, field: str, key: str, description: str) -> Refusal:
    """A refusal whose code is a switch: the body follows the code."""
    if status == UNPROCESSABLE:
        return unprocessable(field, key, description)
    return Refusal(status, description if status == FORBIDDEN else None)
