"""The limiter that all workers share: a log of slots in Redis, asked by one script, in one call.

The time is the server's. No answer means no grant (law 7), never an unlimited one.

Redis may lose the log: a flush, a restart without its file, a replica that takes over. So every
process remembers its own grants of the longest window and, whenever it finds another log or had to
connect anew, puts them back first; a new log grants nothing for `settle_s`, so that idle processes,
which look every WATCH_S, put theirs back as well. What only dead processes knew is lost: if Redis
without a file and all workers go within one window, that window may hold one share more.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from worker.clock import Clock, SystemClock
from worker.errors import LimiterUnavailable, SettingsError
from worker.limits.base import MARGIN_S, LimiterState, clamped_pause, described
from worker.limits.line import Answer, WaitingLine
from worker.limits.pace import Pace, factor_of
from worker.limits.rate import Rate
from worker.limits.slots import earliest, most_kept, used

#: seconds that a new log grants nothing, for other processes to put their grants back
SETTLE_S = 0.6
#: seconds between two looks of an idle process whether its log is still there
WATCH_S = 0.15
#: seconds between two looks for a pause of one that has no limit
LOOK_S = 0.1
#: seconds for which "there is no pause" is believed: less than a pause needs to get here
FRESH_S = 0.02
CONNECT_TIMEOUT_S = 2.0
#: seconds for a call as a whole, connecting anew included
ANSWER_TIMEOUT_S = 5.0
_US = 1_000_000


def open_limiter(
    redis_url: str,
    *,
    rate: Rate,
    share: float,
    name: str = "cronofy",
    margin_s: float = MARGIN_S,
    settle_s: float = SETTLE_S,
) -> RedisLimiter:
    """Returns the limiter of this name; connects with the first call, in the loop of that call."""
    reconnected = asyncio.Event()
    return RedisLimiter(
        _client(redis_url, reconnected),
        rate=rate,
        share=share,
        name=name,
        margin_s=margin_s,
        settle_s=settle_s,
        reconnected=reconnected,
    )


def _client(redis_url: str, reconnected: asyncio.Event) -> Redis:
    """Returns a client that tells of each new connection. Raises SettingsError for a bad URL."""

    async def on_connect(connection: Any) -> None:
        reconnected.set()
        await connection.on_connect()

    try:
        return Redis.from_url(
            redis_url,
            decode_responses=True,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            # The answer's timeout is ours: redis-py's own goes through asyncio.wait_for, which
            # before Python 3.12 can swallow a cancellation, and a stopping worker would run on.
            socket_timeout=None,
            # Once, at once: the connection may be one that a restarted server has forgotten.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            redis_connect_func=on_connect,
        )
    except ValueError:
        # Without its cause: the address holds the password.
        raise SettingsError(
            "The Redis address cannot be read",
            next_step="Set CALPATCH_REDIS_URL=redis://host:port/0",
        ) from None


class _Reply(NamedTuple):
    """What `grant.lua` replies."""

    status: int
    wait_us: int
    then_us: int
    born: str
    fits: int


class _Grant(NamedTuple):
    """A grant of our own, to be put back if the log is lost before `forget_s`."""

    forget_s: float
    at_us: int
    token: str
    weight: int

    @property
    def name(self) -> str:
        return f"{self.at_us}:{self.token}"

    def entries(self) -> list[str]:
        return [f"{self.name}:{n}" for n in range(1, self.weight + 1)]


class RedisLimiter(WaitingLine):
    """One limit for everybody who uses the same Redis, name and rate; shares may differ.

    Rates may not: the log keeps as many slots as the last caller's largest window. To change the
    rate, stop all workers first. Without any windows it looks for pauses only, every LOOK_S.
    `client` has to decode answers to text.
    """

    def __init__(
        self,
        client: Redis,
        *,
        rate: Rate,
        share: float,
        name: str = "cronofy",
        margin_s: float = MARGIN_S,
        settle_s: float = SETTLE_S,
        clock: Clock | None = None,
        reconnected: asyncio.Event | None = None,
    ) -> None:
        super().__init__(rate=rate, share=share, margin_s=margin_s, clock=clock or SystemClock())
        self._client = client
        # One hash tag: a cluster keeps all keys together, as scripts need.
        self._keys = [f"calpatch:{{{name}}}:{part}" for part in ("log", "pause", "born", "pace")]
        self._grant, self._pause, self._put_back = (
            client.register_script(script_text(script)) for script in ("grant", "pause", "restore")
        )
        self._settle_us = round(settle_s * _US) if self._limits else 0
        self._keep = most_kept(self._limits)
        self._longest_s = max((limit.span_s for limit in self._limits), default=0.0)
        self._tokens = map(f"{secrets.token_hex(4)}-{{:x}}".format, itertools.count())
        self._own: deque[_Grant] = deque()
        #: slots that will not be used, to be taken out of the log by the next question
        self._unused: list[_Grant] = []
        self._returning: set[asyncio.Task[None]] = set()
        #: when the log was asked last, and when it last said that there is no pause
        self._asked_s = self._free_s = float("-inf")
        self._born = ""
        self._reconnected = reconnected or asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None:
        """Lets nobody have a grant for so long; see Limiter."""
        age = "" if age_s is None else round(max(0.0, age_s) * _US)
        self._free_s = float("-inf")
        await self._answer(self._pause(self._keys, [round(clamped_pause(seconds) * _US), age]))
        self._free_s = float("-inf")

    async def state(self) -> LimiterState:
        """Returns what is used and free now."""
        log_key, pause_key, _, pace_key = self._keys
        async with _failing_closed(), self._client.pipeline(transaction=True) as together:
            together.time()
            together.lrange(log_key, 0, max(0, self._keep - 1))
            together.get(pause_key)
            together.get(pace_key)
            (seconds, micros), entries, pause, pace = await together.execute()
        now = seconds + micros / _US
        log = [int(entry.partition(":")[0]) / _US for entry in entries]
        paused_until = int(pause or 0) / _US
        factor = factor_of(_pace(pace), now)
        free = earliest(
            log, now=now, not_before=paused_until, weight=1, limits=self._limits, factor=factor
        )
        return described(
            tuple(used(log, now=now, limit=limit) for limit in self._limits),
            limits=self._limits,
            paused_for_s=max(0.0, paused_until - now),
            waiting=self._waiting,
            free_in_s=free.at - now,
            factor=factor,
        )

    async def aclose(self) -> None:
        """Lets go of the connections; the log stays."""
        others = [task for task in (self._watcher, self._server) if task is not None]
        for task in others:
            task.cancel()
        # What is being given back ends within its own timeout.
        await asyncio.gather(*others, *self._returning, return_exceptions=True)
        await self._client.aclose()

    async def _ask(self, weight: int, ahead_s: float, *, urgent: bool) -> Answer:
        if not self._limits and self._clock.monotonic() - self._free_s < LOOK_S:
            return Answer(granted=True, wait_s=0.0, again_s=0.0, fits=self.max_weight)
        while True:
            self._forget()
            has_own = bool(self._own)
            if has_own and self._reconnected.is_set():
                await self._restore()
            token = next(self._tokens)
            reply = await self._granted(self._arguments(token, weight, ahead_s, urgent=urgent))
            is_granted = reply.status == 1
            grant = self._remember(reply.then_us, token, weight) if is_granted else None
            if not has_own:
                self._born = reply.born
                self._reconnected.clear()
            if reply.status >= 0 and not self._reconnected.is_set():
                return Answer(
                    granted=is_granted,
                    wait_s=reply.wait_us / _US,
                    again_s=reply.then_us / _US,
                    fits=reply.fits or self.max_weight,
                    grant=grant,
                )
            # Another log, or a server that we met anew while asking: it has to know our grants
            # before its answer counts.
            self._reconnected.set()
            if grant is not None:
                self._disown(grant)

    async def _granted(self, arguments: list[str | int]) -> _Reply:
        """Asks the log, and tells it which slots come back; those that it has not heard of stay."""
        unused = self._unused
        self._unused = []
        named = [part for one in unused for part in (one.name, one.weight)]
        arguments[6:6] = [len(unused), *named]
        asked_s = self._clock.monotonic()
        try:
            reply = _Reply(*await self._answer(self._grant(self._keys, arguments)))
        except BaseException:
            self._unused += unused
            raise
        if reply.status < 0:
            self._unused += unused
        elif reply.status == 1:
            self._free_s = max(self._free_s, asked_s)
        self._asked_s = asked_s
        return reply

    def _arguments(
        self, token: str, weight: int, ahead_s: float, *, urgent: bool = False
    ) -> list[str | int]:
        ahead_us = max(0, round(ahead_s * _US))
        known = (self._born or "none yet") if self._own else ""
        arguments: list[str | int] = [known, token, weight, ahead_us, self._settle_us, int(urgent)]
        for limit in self._limits:
            allowed = limit.allowed(urgent=urgent)
            arguments += [allowed, self._keep, round(limit.span_s * _US)]
        return arguments

    def _give_back(self, grant: _Grant | None, *, asks_next: bool) -> None:
        if grant is None:
            return
        self._disown(grant)
        if not asks_next:
            task = asyncio.get_running_loop().create_task(self._return_unused())
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    def _disown(self, grant: _Grant) -> None:
        self._unused.append(grant)
        with suppress(ValueError):
            self._own.remove(grant)

    async def _return_unused(self) -> None:
        """Gives slots back without asking for one; whoever left does not wait for it."""
        # A log that is out of reach, or another one, wastes the slots: that is all.
        with suppress(LimiterUnavailable):
            if self._unused:
                await self._granted(self._arguments(next(self._tokens), 0, 0.0))

    async def _is_paused(self) -> bool:
        now_s = self._clock.monotonic()
        if now_s - self._free_s < FRESH_S:
            return False
        is_paused = bool(await self._answer(self._client.exists(self._keys[1])))
        if not is_paused:
            self._free_s = max(self._free_s, now_s)
        return is_paused

    def _remember(self, at_us: int, token: str, weight: int) -> _Grant | None:
        if not self._limits:
            return None
        # A little longer than the log needs: the slot may lie ahead.
        forget_s = self._clock.monotonic() + self._longest_s + self._ahead_s(weight)
        grant = _Grant(forget_s, at_us, token, weight)
        self._own.append(grant)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        return grant

    def _forget(self) -> None:
        now_s = self._clock.monotonic()
        while self._own and self._own[0].forget_s < now_s:
            self._own.popleft()

    async def _restore(self) -> None:
        self._reconnected.clear()
        entries = [entry for grant in self._own for entry in grant.entries()]
        self._born = await self._answer(self._put_back(self._keys, [self._keep, *entries]))

    async def _watch(self) -> None:
        """Puts our grants back into a new log while we ask for none; ends when they are old."""
        while self._own:
            await asyncio.sleep(WATCH_S)
            self._forget()
            if self._clock.monotonic() - self._asked_s < WATCH_S:
                continue  # the question has told already
            # A server that is down grants nobody anything; the next look may find it up again.
            with suppress(LimiterUnavailable):
                born = await self._answer(self._client.get(self._keys[2]))
                if self._own and born and (born != self._born or self._reconnected.is_set()):
                    await self._restore()

    async def _answer(self, call: Awaitable[Any]) -> Any:
        async with _failing_closed():
            return await call


def script_text(name: str) -> str:
    """Returns a script with the law that it needs before it."""
    folder = Path(__file__).parent
    return (folder / "pace.lua").read_text() + (folder / f"{name}.lua").read_text()


def _pace(text: str | None) -> Pace | None:
    if text is None:
        return None
    level, low, since_us, stay_s = map(float, text.split())
    return Pace(level, low, since_us / _US, stay_s)


@asynccontextmanager
async def _failing_closed() -> AsyncIterator[None]:
    """Turns whatever keeps an answer from us, the timeout too, into LimiterUnavailable."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            yield
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(
            f"The rate limiter's Redis does not answer ({type(error).__name__})",
            next_step="Nothing was sent; start Redis or correct CALPATCH_REDIS_URL",
        ) from error
