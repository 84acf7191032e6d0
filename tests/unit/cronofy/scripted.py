"""An API that answers by script, down to the byte, and a limiter that writes down what it is asked.

For replies that no well-meaning server gives; the simulator is for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.builders import NOW
from worker.clock import ManualClock
from worker.cronofy import Access, CallCount, ClientLimits, Cronofy, open_session
from worker.errors import LimiterUnavailable
from worker.rules import PLAIN_TURN, ReadWindow, Turn

TOKEN = "canary-access-token-9f2c"
WINDOW = ReadWindow(first=NOW.date(), last=NOW.date())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Cut:
    """Sends some bytes, then resets the connection."""

    sent: bytes = b""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Sends bytes one at a time, for as long as anybody listens."""

    sent: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """Reads the request and never answers."""


Act = bytes | Cut | Trickle | Silence
#: computes an act from the request and the server's own address
Scripted = Act | Callable[[Request, str], Act]


def reply(status: int, body: bytes | Any = b"", **headers: str) -> bytes:
    """Return a well-formed answer; keyword names become header names."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Status"]
    named = {"content_length": str(len(payload)), "connection": "close"} | headers
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in named.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


@dataclass(slots=True)
class ScriptedApi:
    """Answers the n-th request by the n-th act; the last act answers all that follow."""

    script: list[Scripted]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on a free port; afterwards no connection and no task is left."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                request = await _read_request(reader)
                act = self.script[min(len(self.requests), len(self.script) - 1)]
                self.requests.append(request)
                self.arrived.set()
                await _play(act(request, self.url) if callable(act) else act, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method=method, target=target, headers=headers, body=body)


async def _play(act: Act, writer: asyncio.StreamWriter) -> None:
    match act:
        case bytes():
            writer.write(act)
            await writer.drain()
        case Cut(sent=sent):
            writer.write(sent)
            await writer.drain()
            writer.transport.abort()
        case Trickle(sent=sent):
            for byte in sent:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)
        case Silence():
            await asyncio.sleep(30)


class NotingPace:
    """A limiter without a limit, which notes weights and pauses."""

    def __init__(self, *, max_weight: int = 1000) -> None:
        self.max_weight = max_weight
        self.weights: list[int] = []
        self.turns: list[Turn] = []
        self.pauses: list[float] = []
        self.ages: list[float | None] = []
        self.unreachable = False

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float:
        if self.unreachable:
            raise LimiterUnavailable("The limiter does not answer")
        self.weights.append(weight)
        self.turns.append(turn)
        return 0.0

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None:
        self.pauses.append(seconds)
        self.ages.append(age_s)
        if self.unreachable:
            raise LimiterUnavailable("The limiter does not answer")


@dataclass(slots=True, kw_only=True)
class Scene:
    """A client before a scripted API, with everything that a test may look at."""

    api: ScriptedApi
    client: Cronofy
    access: Access
    pace: NotingPace
    clock: ManualClock
    calls: CallCount = field(default_factory=CallCount)


@contextlib.asynccontextmanager
async def scene(
    *script: Scripted, pace: NotingPace | None = None, **limits: Any
) -> AsyncIterator[Scene]:
    """Open a client and the API that it talks to; `limits` are fields of ClientLimits."""
    api = ScriptedApi(list(script))
    pace, clock = pace or NotingPace(), ManualClock(NOW)
    known = ClientLimits(**limits)
    async with api.listening(), open_session(known) as session:
        yield Scene(
            api=api,
            client=Cronofy(session, pace, clock=clock, limits=known),
            access=Access(sub="acc_1", base_url=api.url, token=TOKEN),
            pace=pace,
            clock=clock,
        )
