"""A TCP proxy that misbehaves on command, to stand before Redis, PostgreSQL or the API.

It runs in a thread of its own. Commands may come from any thread, and hold for existing and new
connections once they return. "Up" is from the client to the server, "down" the way back.

    cut()            closes all connections and refuses new ones, as a stopped server does
    freeze(ways)     keeps connections open and passes nothing; one way, if told
    half_open()      loses the server's side without a word: the client hears neither FIN nor RST
    deaf()           new connections are accepted by the system, and nobody ever reads from them
    slow(...)        passes so many bytes a second, each piece after a wait
    reset_after(n)   RST to both sides when exactly n more bytes have passed on a connection
    reset_at(text)   RST instead of passing the piece that holds this text
    lose_answer(of)  passes the piece with this text, and resets when its answer comes
    heal()           ends all of these; what was held back goes on
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

T = TypeVar("T")

Way = Literal["up", "down"]
WAYS: tuple[Way, ...] = ("up", "down")

#: bytes read at a time
_PIECE = 65536
#: pieces a second of a slowed link
_STEPS_A_SECOND = 20
#: seconds for the other side's system to take what was sent before a reset
_FLUSH_S = 2.0


@dataclass(slots=True)
class Counters:
    """What has passed since the proxy began; `resets` are those of `reset_*` and `lose_answer`."""

    connections: int = 0
    up: int = 0
    down: int = 0
    resets: int = 0


@dataclass(slots=True)
class _Trap:
    """Resets a connection when something has happened on it; `left` is how often, None = always."""

    way: Way
    left: int | None
    after: int | None = None
    text: bytes = b""
    answer: bool = False
    #: so many pieces with the text may still pass
    skip: int = 0

    def has(self, data: bytes) -> bool:
        """Tell whether a piece is the one; it is counted."""
        if self.text not in data:
            return False
        self.skip -= 1
        return self.skip < 0


@dataclass(slots=True, eq=False)
class _Link:
    """One connection: the client's socket, the server's, and the task that moves bytes."""

    client: socket.socket
    server: socket.socket | None = None
    task: asyncio.Task[None] | None = None
    #: what has passed since the trap was set
    passed: dict[Way, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    #: the piece whose answer is to be lost has gone up
    is_asked: bool = False
    #: the server's side is lost without a word
    is_dangling: bool = False

    def close(self, *, reset: bool = False) -> None:
        """Close both sides, with RST or as a process does that ends."""
        for one in (self.client, self.server):
            if one is not None:
                if reset:
                    _arm_reset(one)
                one.close()


class Proxy:
    """See the module; `port` is where clients connect."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        # Keeps the port ours while nobody listens on it: connections are refused then.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self.counters = Counters()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._links: set[_Link] = set()
        self._trap: _Trap | None = None
        self._pace: tuple[float | None, float] = (None, 0.0)
        self._loop = asyncio.new_event_loop()
        self._open = {way: asyncio.Event() for way in WAYS}
        self._hearing = asyncio.Event()
        self._is_losing = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self._heal())

    # ------------------------------------------------------------ commands

    def cut(self) -> None:
        """Close all connections (FIN, as a stopped server's system does) and refuse new ones."""
        self._do(self._cut())

    def reset(self) -> None:
        """Reset all connections that there are; new ones are welcome."""
        self._do(self._end_links(reset=True))

    def freeze(self, *ways: Way) -> None:
        """Pass nothing, in these directions or in both; connections stay open."""

        def close_gates() -> None:
            for way in ways or WAYS:
                self._open[way].clear()

        self._now(close_gates)

    def half_open(self, *, new: bool = True) -> None:
        """Lose the server's side silently, of all connections and (unless told) of new ones."""
        self._do(self._half_open(new=new))

    def deaf(self) -> None:
        """Accept and never read; existing connections are frozen."""
        self._now(self._hearing.clear)
        self.freeze()

    def slow(self, bytes_per_s: float | None = None, latency_s: float = 0.0) -> None:
        """Pass so many bytes a second each way (None: all at once), each piece after a wait."""
        self._now(lambda: setattr(self, "_pace", (bytes_per_s, latency_s)))

    def reset_after(self, n_bytes: int, way: Way, *, times: int | None = None) -> None:
        """Reset each connection when n more bytes have passed on it this way.

        The n bytes arrive, the next one does not. `times` is how often in all; None is always.
        """
        self._set_trap(_Trap(way, times, after=n_bytes))

    def reset_at(
        self, text: bytes = b"", way: Way = "up", *, skip: int = 0, times: int | None = None
    ) -> None:
        """Reset a connection instead of passing a piece that holds this text.

        The first `skip` such pieces, of all connections together, may pass.
        """
        self._set_trap(_Trap(way, times, text=text, skip=skip))

    def lose_answer(self, of: bytes = b"", *, skip: int = 0, times: int | None = 1) -> None:
        """Pass a piece that holds this text; when the server has answered it, reset instead."""
        self._set_trap(_Trap("up", times, text=of, answer=True, skip=skip))

    def heal(self) -> None:
        """End all faults. Links that were half-open are reset, as when the route is back."""
        self._do(self._heal())

    def close(self) -> None:
        """End all connections and the thread."""
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._place.close()

    @property
    def links(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    # ------------------------------------------------------------ on the loop

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def _now(self, deed: Callable[[], object]) -> None:
        async def work() -> None:
            deed()

        self._do(work())

    def _set_trap(self, trap: _Trap | None) -> None:
        def arm() -> None:
            self._trap = trap
            for link in self._links:
                link.passed, link.is_asked = {"up": 0, "down": 0}, False

        self._now(arm)

    async def _heal(self) -> None:
        self._trap, self._pace, self._is_losing = None, (None, 0.0), False
        await self._end_links(reset=True, dangling=True)
        self._hearing.set()
        for gate in self._open.values():
            gate.set()
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(256)
            self._accepting = self._loop.create_task(self._accept(self._listener))

    async def _cut(self) -> None:
        if self._accepting is not None and self._listener is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._listener.close()
            self._listener = self._accepting = None
        await self._end_links(reset=False)

    async def _half_open(self, *, new: bool) -> None:
        self._is_losing = new
        for link in list(self._links):
            await self._dangle(link)

    async def _dangle(self, link: _Link) -> None:
        await _ended(link.task)
        link.is_dangling = True
        if link.server is not None:
            link.server.close()
            link.server = None
        self._links.add(link)
        link.task = self._loop.create_task(self._swallow(link))

    async def _end_links(self, *, reset: bool, dangling: bool = False) -> None:
        for link in list(self._links):
            if dangling and not link.is_dangling:
                continue
            await _ended(link.task)
            link.close(reset=reset)
            self._links.discard(link)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listener)
            client.setblocking(False)
            self.counters.connections += 1
            link = _Link(client, is_dangling=self._is_losing)
            self._links.add(link)
            serve = self._swallow if link.is_dangling else self._serve
            link.task = self._loop.create_task(serve(link))

    async def _swallow(self, link: _Link) -> None:
        """Take what the client sends, and let it wait for an answer for ever."""
        with contextlib.suppress(OSError):
            while await self._loop.sock_recv(link.client, _PIECE):
                pass

    async def _serve(self, link: _Link) -> None:
        await self._hearing.wait()
        link.server = socket.socket()
        link.server.setblocking(False)
        try:
            await self._loop.sock_connect(link.server, self._target)
            await self._pump_both(link, link.server)
        except OSError:
            # A side is gone, or a trap has closed: the other side learns it by a reset.
            self._forget(link, reset=True)
        else:
            self._forget(link, reset=False)
        # Cancelled by a command, the link is ended by that, as it wants.

    def _forget(self, link: _Link, *, reset: bool) -> None:
        self._links.discard(link)
        link.close(reset=reset)

    async def _pump_both(self, link: _Link, server: socket.socket) -> None:
        pumps = [
            asyncio.ensure_future(self._pump(link, link.client, server, "up")),
            asyncio.ensure_future(self._pump(link, server, link.client, "down")),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, link: _Link, source: socket.socket, sink: socket.socket, way: Way
    ) -> None:
        while True:
            await self._open[way].wait()
            data = await self._loop.sock_recv(source, self._size())
            await self._delay(len(data))
            await self._open[way].wait()
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
            kept, is_reset = self._trapped(link, data, way)
            await self._loop.sock_sendall(sink, kept)
            setattr(self.counters, way, getattr(self.counters, way) + len(kept))
            if is_reset:
                await _taken(sink)
                self.counters.resets += 1
                raise ConnectionResetError

    def _size(self) -> int:
        rate, _ = self._pace
        return _PIECE if rate is None else max(1, min(_PIECE, int(rate / _STEPS_A_SECOND)))

    async def _delay(self, count: int) -> None:
        rate, latency_s = self._pace
        if wait_s := latency_s + (count / rate if rate else 0.0):
            await asyncio.sleep(wait_s)

    def _trapped(self, link: _Link, data: bytes, way: Way) -> tuple[bytes, bool]:
        """Return what of a piece may pass, and whether the connection is reset then."""
        trap = self._trap
        if trap is None or trap.left == 0:
            return data, False
        if trap.answer:
            if way == "up" and trap.has(data):
                link.is_asked = True
            is_due, kept = way == "down" and link.is_asked, b""
        elif trap.after is None:
            is_due, kept = way == trap.way and trap.has(data), b""
        else:
            room = trap.after - link.passed[way]
            is_due, kept = way == trap.way and len(data) > room, data[:room]
        if not is_due:
            link.passed[way] += len(data)
            return data, False
        if trap.left is not None:
            trap.left -= 1
        return kept, True


@contextmanager
def a_proxy(target_host: str, target_port: int) -> Iterator[Proxy]:
    """Run a proxy before a server, and end it with all its connections."""
    proxy = Proxy(target_host, target_port)
    try:
        yield proxy
    finally:
        proxy.close()


def _bound(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.setblocking(False)
    one.bind(("127.0.0.1", port))
    return one


def _arm_reset(one: socket.socket) -> None:
    """Have close() send RST instead of FIN."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _taken(one: socket.socket) -> None:
    """Wait until the other side's system has all that was sent: a reset throws the rest away."""
    for _ in range(int(_FLUSH_S / 0.01)):
        left = struct.unpack("i", fcntl.ioctl(one.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        if not left:
            return
        await asyncio.sleep(0.01)


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
