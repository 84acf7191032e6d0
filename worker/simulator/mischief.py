"""Plays a fault on a request: `around` its handler, and when it `respond`s [rows 16, 21]."""

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import Callable

from aiohttp import web
from msgspec.structs import replace

from worker.simulator.acts import (
    Act,
    Delay,
    Drop,
    Garbage,
    Hang,
    Huge,
    Late,
    Lengthen,
    LoopPages,
    Reply,
    Reset,
    Shorten,
    Slow,
    Truncate,
    UserEdit,
)
from worker.simulator.answers import ACCEPTED, OK, Answer
from worker.simulator.calls import Call
from worker.simulator.faults import Fault
from worker.simulator.simulator import Simulator
from worker.simulator.writes import play_user_edit, replied

_JSON = "application/json; charset=utf-8"
_SINGLE_WRITES = ("edit", "delete", "participation")
#: Body bytes of one trickle of a slow answer.
_TRICKLE = 64


async def around(
    sim: Simulator, route: str, call: Call, fault: Fault | None, handle: Callable[[], Answer]
) -> Answer:
    """The answer to a call with a fault around its handling; the wire comes later."""
    act = fault.act if fault else None
    if isinstance(act, Drop | Late) or route in _SINGLE_WRITES:
        call.fault = fault
        meddles = None
    else:
        meddles = act if isinstance(act, UserEdit) else None
    if isinstance(act, Delay) and act.before:
        await asyncio.sleep(act.seconds)
    if _hides_the_call(act, route):
        return _twisted(Answer(), call, act, is_single=False)
    if meddles and not meddles.after:
        _meddle(sim, call, meddles)
    answer = handle()
    if meddles and meddles.after:
        _meddle(sim, call, meddles)
    return _twisted(answer, call, act, is_single=route in _SINGLE_WRITES)


def wire_status(answer: Answer, act: Act | None) -> int:
    """What the caller gets to see; 0 = nothing."""
    return 0 if isinstance(act, Reset | Hang) else answer.status


async def respond(request: web.Request, answer: Answer, act: Act | None) -> web.StreamResponse:
    """Sends an answer as a fault demands."""
    match act:
        case Reset():
            _reset(request)
        case Hang(seconds=seconds):
            await asyncio.sleep(seconds)
            _reset(request)
        case Truncate(keep=keep):
            return await _truncated(request, answer, keep)
        case Slow(bytes_per_s=speed):
            return await _trickled(request, answer, speed)
        case Delay(seconds=seconds, before=False):
            await asyncio.sleep(seconds)
    return web.Response(status=answer.status, body=answer.body() or None, headers=_headers(answer))


def _hides_the_call(act: Act | None, route: str) -> bool:
    """True where the handler is never reached, so that nothing is taken."""
    if isinstance(act, Reset | Hang | Garbage):
        return not act.taken
    # A single write judges its scripted reply itself, so that the log of writes shows it.
    return isinstance(act, Reply) and not act.taken and route not in _SINGLE_WRITES


def _meddle(sim: Simulator, call: Call, act: UserEdit) -> None:
    targets = call.targets()
    play_user_edit(sim, act, targets[0] if targets else None)


def _twisted(answer: Answer, call: Call, act: Act | None, *, is_single: bool) -> Answer:
    """The handler's answer as a fault changes it."""
    match act:
        case Reply() if not is_single:
            answer = replied(act)
        case Garbage(body=body, content_type=kind):
            answer = Answer(answer.status, body, {"Content-Type": kind})
        case Huge():
            answer = _huge(act)
        case Shorten() | Lengthen():
            answer = _rebatched(answer, act)
        case LoopPages() if isinstance(answer.content, dict):
            answer = _looped(answer, call)
    return answer


def _huge(act: Huge) -> Answer:
    text = b'"' + b" " * act.size + b'"'
    if act.gzip:
        return Answer(OK, gzip.compress(text, 1), {"Content-Encoding": "gzip"})
    return Answer(OK, text)


def _rebatched(answer: Answer, act: Shorten | Lengthen) -> Answer:
    if not isinstance(answer.content, dict) or "batch" not in answer.content:
        return answer
    entries = answer.content["batch"]
    if isinstance(act, Shorten):
        entries = entries[: max(0, len(entries) - act.items)]
    else:
        entries = entries + [{"status": ACCEPTED}] * act.items
    return replace(answer, content={"batch": entries})


def _looped(answer: Answer, call: Call) -> Answer:
    path = "/".join(call.segments)
    query = "&".join(f"{name}={value}" for name, value in call.query)
    pages = {"current": 1, "total": 999, "next_page": f"{call.base_url}/{path}?{query}".rstrip("?")}
    return replace(answer, content=answer.content | {"pages": pages})


def _headers(answer: Answer) -> dict[str, str]:
    if answer.content is None or "Content-Type" in answer.headers:
        return answer.headers
    kind = "text/plain; charset=utf-8" if isinstance(answer.content, str) else _JSON
    return {"Content-Type": kind, **answer.headers}


def _reset(request: web.Request) -> None:
    """Closes with RST: what a crashed peer or a firewall looks like."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _truncated(request: web.Request, answer: Answer, keep: float) -> web.StreamResponse:
    body = answer.body()
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = max(1, len(body))
    await response.prepare(request)
    await response.write(body[: int(len(body) * keep)])
    if request.transport:
        request.transport.close()
    return response


async def _trickled(request: web.Request, answer: Answer, speed: float) -> web.StreamResponse:
    body = answer.body()
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = len(body)
    await response.prepare(request)
    size = max(1, min(_TRICKLE, int(speed)))
    for at in range(0, len(body), size):
        await response.write(body[at : at + size])
        await asyncio.sleep(size / speed)
    return response
