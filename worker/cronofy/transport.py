"""The one place where bytes leave for the API and come back: `Transport.send`.

Each call passes its data center's breaker, waits for the limiter, has time and size limits, follows
no redirect, is counted and logged by route and status: never its URL, query, headers or bodies (law
9). What went wrong comes back as a value: an exception would carry the HTTP library's text, which
may quote an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

import aiohttp
import msgspec
import structlog
from aiohttp.http import HttpProcessingError
from yarl import URL

from worker import __version__, points
from worker.clock import Clock
from worker.cronofy.breakers import Breaker, Breakers, Probed
from worker.cronofy.departure import Departure
from worker.cronofy.retry_after import retry_after_s
from worker.cronofy.throttle import Throttle
from worker.cronofy.values import CallCount, ClientLimits, Pace
from worker.cronofy.wire import Unreadable, WireUserInfo, decoded
from worker.rules import NOT_SENT, PLAIN_TURN, Turn
from worker.rules.breaker import sign_of

#: open connections of one process; beyond, calls wait for a free one within their `connect_s`
CONNECTIONS = 100
#: seconds that an address of the API is remembered
DNS_TTL_S = 300
_TOO_MANY = 429
#: what is asked to find out whether a data center answers: nobody's edit, and cheap
USERINFO = "/v1/userinfo"

_userinfo = msgspec.json.Decoder(WireUserInfo)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `route` is the path's template: it is what logs and counts show."""

    method: str
    #: the data center's address, with which `url` begins
    base_url: str = field(repr=False)
    route: str
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    weight: int = 1
    turn: Turn = PLAIN_TURN
    max_bytes: int
    #: asked after the grant; None: the call may leave at any time
    departure: Departure | None = None
    #: what a probe for this call shows, where that is not `token`: an expired one will do
    probe_token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def kind(self) -> str:
        """What the call does, in the words of `points`."""
        if self.method == "GET":
            return "read"
        return "post" if self.token is not None else "refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that arrived in whole."""

    status: int
    body: bytes = field(repr=False)
    retry_after_s: float | None = None
    #: monotonic; when its call left
    left_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReply:
    """No answer, or none that can be used; `why` is a word of ours or an exception's class.

    `final` marks what another try will not better.
    """

    why: str
    final: bool = False


#: Raised before a connection stands, so nothing was sent. Whatever else is raised may come after.
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


def open_session(limits: ClientLimits | None = None) -> aiohttp.ClientSession:
    """Open the session that all calls of a process share; the caller closes it.

    It keeps no cookies, reads no proxy or netrc settings from the environment, and bounds what it
    unpacks.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=DNS_TTL_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"calpatch/{__version__}", "Accept": "application/json"},
        timeout=_timeout(limits or ClientLimits()),
        trust_env=False,
        raise_for_status=False,
        auto_decompress=True,
    )


class Transport:
    """Sends calls through a limiter and tells it about refusals."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        pace: Pace,
        *,
        clock: Clock,
        limits: ClientLimits,
        breakers: Breakers,
    ) -> None:
        self._session = session
        self._pace = pace
        self._clock = clock
        self._limits = limits
        self._timeout = _timeout(limits)
        self._probe_timeout = aiohttp.ClientTimeout(total=limits.probe_s)
        self._breakers = breakers
        self.throttle = Throttle(pace, clock=clock)

    async def send(self, call: Call, *, calls: CallCount) -> Reply | NoReply:
        """Send one request, once.

        Raises only before anything is sent: the breaker's, the limiter's or the departure's errors.
        A success is no sign of life until `understood` says so.
        """
        breaker = self._breakers.of(call.base_url)
        await self._granted(call, breaker, calls=calls)
        if call.departure is not None:
            call.departure.leave()
        reply, left_at = await self._sent(call, self._timeout, calls=calls)
        _note(breaker, reply, left_at=left_at)
        return reply

    def understood(self, call: Call, reply: Reply, *, is_readable: bool) -> None:
        """Tell whether a success could be read: one that cannot is not the API's own."""
        self._breakers.of(call.base_url).note(is_answered=is_readable, left_at=reply.left_at)

    async def lives(self, call: Call, *, calls: CallCount) -> bool:
        """Find out whether this call's data center answers at all, now that a call has failed."""
        return await self._breakers.of(call.base_url).lives(lambda: self._probed(call, calls=calls))

    async def _granted(self, call: Call, breaker: Breaker, *, calls: CallCount) -> None:
        """Return when the call may leave: its slot is lost when the circuit opened meanwhile."""
        while True:
            await breaker.admit(lambda: self._probed(call, calls=calls))
            await self._pace.acquire(call.weight, timeout_s=self._limits.queue_s, turn=call.turn)
            if breaker.is_closed:
                return

    async def _probed(self, call: Call, *, calls: CallCount) -> Probed:
        """Ask the data center of a call for something cheap, in the name of the same account."""
        probe = Call(
            method="GET",
            base_url=call.base_url,
            route=USERINFO,
            url=call.base_url + USERINFO,
            token=call.probe_token or call.token,
            turn=call.turn._replace(urgent=True),
            max_bytes=self._limits.body_bytes,
        )
        await self._pace.acquire(1, timeout_s=self._limits.probe_s, turn=probe.turn)
        reply, left_at = await self._sent(probe, self._probe_timeout, calls=calls)
        return Probed(left_at, _is_life(reply))

    async def _sent(
        self, call: Call, within: aiohttp.ClientTimeout, *, calls: CallCount
    ) -> tuple[Reply | NoReply, float]:
        """Send what has its slot, and count it; returns when it left as well."""
        started = self._clock.monotonic()
        status = 0
        try:
            points.reach(f"{call.kind}.before")
            reply = await self._exchange(call, within)
            points.reach(f"{call.kind}.after")
            status = reply.status if isinstance(reply, Reply) else 0
        finally:
            # Counted even when cancelled: the slot is used, and the API may have seen the call.
            calls.add(call.route, status)
            self._log(call, status=status, started=started)
        await self._tell(reply, started=started)
        if isinstance(reply, Reply):
            reply = replace(reply, left_at=started)
        return reply, started

    async def refused(self, seconds: float | None) -> None:
        """Slow everybody down because of a refusal inside an answer that came just now."""
        await self.throttle.refused(started=self._clock.monotonic(), retry_after_s=seconds)

    async def _tell(self, reply: Reply | NoReply, *, started: float) -> None:
        match reply:
            case Reply(status=status, retry_after_s=seconds) if status == _TOO_MANY:
                await self.throttle.refused(started=started, retry_after_s=seconds)
            case Reply():
                self.throttle.answered(started=started)
            case NoReply():
                return
            case _:
                assert_never(reply)

    async def _exchange(self, call: Call, within: aiohttp.ClientTimeout) -> Reply | NoReply:
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                data=call.body,
                headers=_headers(call),
                allow_redirects=False,
                timeout=within,
                middlewares=(_once,),
            ) as response:
                return await self._received(response, call.max_bytes)
        except _BEFORE_SENDING:
            return NoReply(why=NOT_SENT)
        except TimeoutError:
            return NoReply(why="timeout")
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            return NoReply(why=type(error).__name__)

    async def _received(self, response: aiohttp.ClientResponse, max_bytes: int) -> Reply | NoReply:
        # Piece by piece: a small packed answer can be a large unpacked one.
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > max_bytes:
                response.close()
                return NoReply(why="too_large", final=True)
            pieces.append(piece)
        return Reply(
            status=response.status,
            body=b"".join(pieces),
            retry_after_s=retry_after_s(response.headers, now=self._clock.now()),
        )

    def _log(self, call: Call, *, status: int, started: float) -> None:
        took_ms = round((self._clock.monotonic() - started) * 1000, 1)
        log.debug(
            "call.ended", method=call.method, route=call.route, status=status, took_ms=took_ms
        )


def _note(breaker: Breaker, reply: Reply | NoReply, *, left_at: float) -> None:
    """Tell the breaker what an answer says of its data center, as far as its status tells."""
    if isinstance(reply, NoReply):
        if not reply.final:
            breaker.note(is_answered=False, left_at=left_at)
        return
    sign = sign_of(reply.status)
    if sign != "unread":
        breaker.note(is_answered=sign == "alive", left_at=left_at)


def _is_life(reply: Reply | NoReply) -> bool:
    """Tell whether the answer to a probe comes from the API."""
    if isinstance(reply, NoReply):
        return False
    sign = sign_of(reply.status)
    if sign != "unread":
        return sign == "alive"
    try:
        decoded(_userinfo, reply.body)
    except Unreadable:
        return False
    return True


class Disconnected(aiohttp.ClientConnectionError):
    """Raised when the connection broke before an answer began."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep the library from repeating a GET by itself when its connection breaks.

    That call would have no slot of the limiter and no place in the counts (law 7). The library
    repeats on exactly the errors that are replaced here.
    """
    try:
        return await handler(request)
    except _BEFORE_SENDING:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise Disconnected from None


def _headers(call: Call) -> dict[str, str]:
    headers = {}
    if call.token is not None:
        headers["Authorization"] = f"Bearer {call.token}"
    if call.body is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return headers


def _timeout(limits: ClientLimits) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=limits.total_s, connect=limits.connect_s, sock_read=limits.sock_read_s
    )
