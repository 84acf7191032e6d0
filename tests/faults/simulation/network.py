"""The network: what aiohttp's session is to the client, in front of the simulator's core.

A request that has left arrives even if its sender is dead by then; an answer may come late, never,
or say what is not so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextvars import copy_context
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import aiohttp
import msgspec

from worker.simulator.answers import Answer
from worker.simulator.calls import Call, path_segments, read_body
from worker.simulator.faults import Occasion
from worker.simulator.routes import Route, all_routes, answer, find_route, holder_of

if TYPE_CHECKING:
    from tests.faults.simulation.process import Process
    from tests.faults.simulation.watch import Sent
    from tests.faults.simulation.world import World

#: Seconds that a request, or its answer, is under way, at least and at most.
WAY_S = (0.01, 0.25)
#: Seconds that a late answer takes: some of them longer than the client waits.
LATE_S = (5.0, 40.0)

#: What can become of a call: a fatal answer kills who gets it, a number is the status that is
#: answered instead of carrying it out.
FAULTS = (
    "unsent", "lost", "reset", "silent", "late", "garbage", "short", "taken 503", "taken 500",
    "fatal", "500", "429", "401", "423", "403", "404", "422", "402",
)  # fmt: skip


@dataclass(slots=True)
class Fault:
    """The next call of a kind (`read`, `post`, `refresh`, or any) goes wrong like this."""

    what: str
    kind: str = "any"


@dataclass(slots=True)
class Request:
    """A call on its way."""

    call: Call
    kind: str
    by: Process
    reply: asyncio.Future[Response]
    fault: str = ""
    #: what it writes, as far as anybody asked for it
    sent: list[Sent] = field(default_factory=list)


class Response:
    """The part of aiohttp's answer that the client looks at."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.content = self
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Yield the body in one piece."""
        yield self._body

    def close(self) -> None:
        """Nothing is held."""


class Wire:
    """What a process takes for its HTTP session."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def request(
        self, method: str, url: Any, *, data: bytes | None, headers: dict[str, str],
        timeout: aiohttp.ClientTimeout, **_: Any,
    ) -> _Exchange:  # fmt: skip
        """Return the exchange of one request, as a context."""
        call = Call(
            method=method,
            segments=path_segments(url.raw_path),
            query=parse_qsl(url.raw_query_string, keep_blank_values=True),
            body=read_body(data or b"", headers.get("Content-Type", "")),
            base_url=str(url.origin()),
            bearer=headers.get("Authorization", "").removeprefix("Bearer ") or None,
        )
        return _Exchange(self._process, call, timeout_s=timeout.total or 300.0)


class _Exchange:
    def __init__(self, process: Process, call: Call, *, timeout_s: float) -> None:
        self._process = process
        self._call = call
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Response:
        process, world = self._process, self._process.world
        process.must_live()
        reply = process.answer_later()
        request = Request(self._call, _kind(self._call), process, reply)
        request.fault = world.network.fault_for(request.kind)
        if request.fault == "unsent":
            raise aiohttp.ClientConnectorError(None, OSError())  # type: ignore[arg-type]
        if world.is_deadly(self._call):
            world.kill(process, "by an event")
            raise asyncio.CancelledError
        request.sent = world.watch.departs(request)
        world.network.carry(request)
        timer = world.loop.call_later(self._timeout_s, _break, reply, TimeoutError())
        try:
            return await reply
        finally:
            timer.cancel()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        return None


class Network:
    """Carries requests to the provider, and answers back; neither dies with a process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._routes = all_routes()
        self._context = copy_context()
        self.faults: list[Fault] = []

    def fault_for(self, kind: str) -> str:
        """Take the fault that meets a call of this kind, if one does."""
        for fault in self.faults:
            if fault.kind in {kind, "any"}:
                self.faults.remove(fault)
                self._world.count(f"{kind} {fault.what}")
                return fault.what
        return ""

    def carry(self, request: Request) -> None:
        """Put a request on its way."""
        if request.fault == "lost":
            for one in request.sent:
                one.is_lost = True
            self._later(self._way(), _break, request.reply, aiohttp.ServerDisconnectedError())
        else:
            self._later(self._way(), self._arrive, request)

    def _arrive(self, request: Request) -> None:
        reply, served_at = self._carry_out(request), self._world.loop.time()
        match request.fault:
            case "silent":
                return
            case "reset":
                self._later(self._way(), _break, request.reply, aiohttp.ServerDisconnectedError())
            case "late":
                wait_s = self._world.rng.uniform(*LATE_S)
                self._later(wait_s, self._deliver, request, reply, served_at)
            case _:
                self._later(self._way(), self._deliver, request, reply, served_at)

    def _deliver(self, request: Request, reply: Answer, served_at: float) -> None:
        if request.reply.done():
            return
        process = request.by
        if request.fault == "fatal":
            self._world.kill(process, f"by the answer to a {request.kind}")
            return
        if request.kind == "read" and reply.status < 300 and request.fault != "garbage":
            sub = self._world.sim.access_tokens.get(request.call.bearer or "", ("", 0.0))[0]
            process.reads[sub] = served_at
        body = b"<html>Sign in</html>" if request.fault == "garbage" else reply.body()
        self._world.watch.told(request, reply)
        request.reply.set_result(Response(reply.status, body, reply.headers))

    def _carry_out(self, request: Request) -> Answer:
        """Have the provider answer, and note which of the writes it took."""
        sim, call = self._world.sim, request.call
        route = find_route(self._routes, call)
        call.account = holder_of(sim, call.bearer)
        if request.fault.isdigit():
            self._world.watch.arrived(request, [])
            return _refusal(int(request.fault))
        before = len(sim.writes)
        self._meet_item_fault(route, call)
        sim.arriving = request.sent
        reply = answer(sim, route, call)
        self._world.watch.arrived(request, sim.writes[before:])
        if request.fault.startswith("taken "):
            return Answer(int(request.fault.split()[1]))
        entries = reply.content.get("batch") if isinstance(reply.content, dict) else None
        if request.fault == "short" and entries:
            return Answer(reply.status, {"batch": entries[:-1]})
        return reply

    def _meet_item_fault(self, route: Route | None, call: Call) -> None:
        """A fault of one write meets it in a batch, where the core looks, and alone as well."""
        if route is not None and route.name == "edit" and call.account is not None:
            occasion = Occasion("edit", call.account.sub, call.targets())
            call.fault = self._world.sim.faults.fire(occasion)

    def _way(self) -> float:
        return self._world.rng.uniform(*WAY_S)

    def _later(self, seconds: float, work: Any, *args: Any) -> None:
        self._world.loop.call_later(seconds, work, *args, context=self._context)


def writes_of(call: Call) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the calendar and the body of each edit that a call carries."""
    match call.segments:
        case ("v1", "batch"):
            for entry in call.body["batch"]:
                yield path_segments(entry["relative_url"])[2], entry["data"]
        case ("v1", "calendars", calendar_id, "events"):
            yield calendar_id, call.body


def _kind(call: Call) -> str:
    if call.method == "GET":
        return "read"
    return "post" if call.segments[0] == "v1" else "refresh"


def _refusal(status: int) -> Answer:
    headers = {"Retry-After": "2"} if status == 429 else {}
    content = msgspec.UNSET if status != 422 else {"errors": {"start": [{"key": "errors.bad"}]}}
    return Answer(status, None if content is msgspec.UNSET else content, headers)


def _break(reply: asyncio.Future[Response], error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
