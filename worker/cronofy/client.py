"""The client: what calpatch asks of Cronofy, as typed calls.

Reads are repeated when the API fails, and wait out refusals; writes are sent once, and each edit
gets an Answer whatever happens. Every call goes through `Transport.send`, and raises CircuitOpen
while its data center does not answer: then nothing was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import Any, TypeVar

import aiohttp
import msgspec
import structlog
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from worker.clock import Clock
from worker.cronofy.breakers import Breakers
from worker.cronofy.departure import Departure
from worker.cronofy.edits import Write, batch_body, events_path, single_body
from worker.cronofy.grants import refresh_body, refreshed
from worker.cronofy.paging import EVENTS, PAGES, Harvest, Pile, ReadQuery, Trail, note_unreadable
from worker.cronofy.replies import (
    Hopeless,
    batch_answers,
    is_success,
    raise_unless_ok,
    single_answer,
)
from worker.cronofy.transport import USERINFO, Call, NoReply, Reply, Transport
from worker.cronofy.values import (
    Access,
    AccountInfo,
    CallCount,
    ClientLimits,
    Pace,
    Profile,
    TokenSet,
    addresses_in,
)
from worker.cronofy.wire import Unreadable, WireCalendars, WireUserInfo, decoded, read_object
from worker.errors import Gone, Unavailable
from worker.model import Calendar, Event, EventKey
from worker.rules import MAX_BATCH, PLAIN_TURN, Answer, ReadWindow, Throttled, Turn, is_unanswered

T = TypeVar("T")
H = TypeVar("H", Harvest, Pile)

BATCH = "/v1/batch"
SINGLE = "/v1/calendars/{calendar_id}/events"
CALENDARS = "/v1/calendars"
TOKEN = "/oauth/token"  # noqa: S105 - a path

#: the longest wait between two tries of a read, in seconds; longer waits belong to SQL
_LONGEST_WAIT_S = 8.0
_TOO_MANY = 429

log = structlog.get_logger(__name__)

_calendars = msgspec.json.Decoder(WireCalendars)
_userinfo = msgspec.json.Decoder(WireUserInfo)


class Cronofy:
    """Speaks to the API for all accounts of one process, through one session and one limiter."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: Pace,
        *,
        clock: Clock,
        limits: ClientLimits | None = None,
        breakers: Breakers | None = None,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._limiter = limiter
        self._clock = clock
        self._breakers = breakers or Breakers(clock=clock)
        self._transport = Transport(
            session, limiter, clock=clock, limits=self._limits, breakers=self._breakers
        )

    # ------------------------------------------------------------ reads

    async def read_events(
        self,
        access: Access,
        window: ReadWindow,
        *,
        wanted: Container[EventKey] | None,
        calendar_ids: Sequence[str] = (),
        last_modified: datetime | None = None,
        include_deleted: bool = True,
        include_moved: bool = False,
        include_managed: bool = True,
        people: bool = False,
        calls: CallCount,
    ) -> dict[EventKey, Event]:
        """Read the events of a window, page by page, and keep the wanted ones (all when None).

        `people` asks for `Event.about` as well.
        Stops as soon as everything wanted is found, when `wanted` has a size. Starts again when a
        page has died meanwhile (cronofy-api §3.2). Of an event that occurs twice the later one
        counts.
        """
        query = ReadQuery(
            window=window,
            calendar_ids=tuple(calendar_ids),
            last_modified=last_modified,
            include_deleted=include_deleted,
            include_moved=include_moved,
            include_managed=include_managed,
        )

        def empty() -> Harvest:
            return Harvest(wanted=wanted, calendar_ids=calendar_ids, people=people)

        return (await self._gather(access, query, empty, calls=calls)).events

    async def copy_events(
        self, access: Access, window: ReadWindow, *, calendar_ids: Sequence[str], calls: CallCount
    ) -> list[Any]:
        """Read the events of a window with all that they say; those that moved meanwhile twice."""
        query = ReadQuery(window=window, calendar_ids=tuple(calendar_ids))
        pile = await self._gather(access, query, Pile, calls=calls)
        return pile.events

    async def copy(self, access: Access, route: str, *, calls: CallCount) -> dict[str, Any]:
        """Read what an account says of itself (CALENDARS, USERINFO), with all that it says."""
        call = self._get(access, route)
        return await self._fetch(call, read_object, calls=calls)

    async def calendars(self, access: Access, *, calls: CallCount) -> list[Calendar]:
        """List the account's calendars, deleted and read-only ones too."""
        call = self._get(access, CALENDARS)
        wire = await self._fetch(call, lambda body: decoded(_calendars, body), calls=calls)
        return [
            Calendar(
                calendar_id=calendar.calendar_id,
                name=calendar.calendar_name or "",
                read_only=calendar.calendar_readonly is not False,
                deleted=calendar.calendar_deleted is True,
                elevated=calendar.permission_level == "unrestricted",
                primary=calendar.calendar_primary is True,
            )
            for calendar in wire.calendars
        ]

    async def account(self, access: Access, *, calls: CallCount) -> AccountInfo:
        """Read which account the token belongs to, and which of its profiles are connected."""
        call = self._get(access, USERINFO)
        wire = await self._fetch(call, lambda body: decoded(_userinfo, body), calls=calls)
        profiles = (wire.account.profiles if wire.account else None) or []
        return AccountInfo(
            sub=wire.sub,
            addresses=addresses_in(wire.email, *(profile.profile_name for profile in profiles)),
            profiles=tuple(
                Profile(
                    profile_id=profile.profile_id,
                    provider_name=profile.provider_name or "",
                    connected=profile.profile_connected is True,
                    calendar_ids=tuple(
                        calendar.calendar_id for calendar in profile.profile_calendars or ()
                    ),
                )
                for profile in profiles
            ),
        )

    async def lives(self, access: Access, *, calls: CallCount) -> bool:
        """Find out, after a call has failed, whether its data center answers at all.

        Asks for something cheap on behalf of the account, unless others are told just now. Raises
        nothing: without a slot at the limit it is False, since then nobody knows.
        """
        return await self._transport.lives(self._get(access, USERINFO), calls=calls)

    def wait_s(self, base_url: str) -> float:
        """Return the seconds until a data center is asked again; 0 while calls go."""
        return self._breakers.of(base_url).wait_s

    def back_for_s(self, base_url: str) -> float:
        """Return for how long a data center has answered since its last outage; may be infinite."""
        return self._breakers.of(base_url).back_for_s

    # ------------------------------------------------------------ writes

    async def write_batch(
        self,
        access: Access,
        writes: Sequence[Write],
        *,
        calls: CallCount,
        departure: Departure | None = None,
    ) -> list[Answer]:
        """Send edits of one account, once, and return one Answer for each, in their order.

        Raises ValueError for what must not be sent together: more than 50, two of one event, or
        more than the limiter grants at once. Otherwise only the limiter's and the departure's
        errors are raised, and then nothing was sent.
        """
        if not writes:
            return []
        weight = self._weight(writes)
        if len(writes) == 1:
            call = self._post(access, writes[0], departure=departure)
            reply = await self._transport.send(call, calls=calls)
            answers = [single_answer(reply)]
        else:
            call = Call(
                method="POST",
                base_url=access.base_url,
                route=BATCH,
                url=access.base_url + BATCH,
                token=access.token,
                body=batch_body(writes),
                weight=weight,
                turn=access.turn,
                max_bytes=self._limits.body_bytes,
                departure=departure,
            )
            reply = await self._transport.send(call, calls=calls)
            answers = batch_answers(reply, count=len(writes), now=self._clock.now())
            await self._slow_down(reply, answers)
        self._understood(call, reply, is_readable=not is_unanswered(answers[0]))
        return answers

    async def refresh(
        self,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        calls: CallCount,
        departure: Departure | None = None,
        turn: Turn = PLAIN_TURN,
        probe_token: str | None = None,
    ) -> TokenSet:
        """Trade a refresh token for an access token, once.

        Raises TokenLost when the authorization is gone and SettingsError when the application's own
        credentials are wrong. Not repeated: an answer that got lost may have replaced the token.
        `probe_token` is an access token, expired or not, to find out whether anybody answers.
        """
        call = Call(
            method="POST",
            base_url=base_url,
            route=TOKEN,
            url=base_url + TOKEN,
            body=refresh_body(client_id, client_secret, refresh_token=refresh_token),
            turn=turn,
            max_bytes=self._limits.body_bytes,
            departure=departure,
            probe_token=probe_token,
        )
        reply = await self._patiently(call, calls=calls)
        try:
            tokens = refreshed(call, reply, refresh_token=refresh_token)
        except Unavailable:
            self._understood(call, reply, is_readable=False)
            raise
        self._understood(call, reply, is_readable=True)
        return tokens

    # ------------------------------------------------------------ how

    async def _gather(
        self, access: Access, query: ReadQuery, empty: Callable[[], H], *, calls: CallCount
    ) -> H:
        """Collect the events of all pages, from the start again when a page has died."""
        for _ in range(self._limits.restarts + 1):
            harvest = empty()
            if await self._walk(access, query, harvest=harvest, calls=calls):
                return harvest
            log.info("read.restarted")
        raise Unavailable(f"GET {PAGES} was answered with 404 again and again", status=404)

    async def _walk(
        self, access: Access, query: ReadQuery, *, harvest: Harvest | Pile, calls: CallCount
    ) -> bool:
        """Read page after page; return False when a page has died and all must start again."""
        trail = Trail(access.base_url, max_pages=self._limits.max_pages)
        url = query.url(access.base_url, now=self._clock.now())
        route = EVENTS
        while url and not harvest.complete:
            call = self._get(access, route, url=url, max_bytes=self._limits.page_bytes)
            try:
                page = await self._fetch(call, harvest.read, calls=calls)
            except Gone:
                if route == EVENTS:
                    raise
                return False
            note_unreadable(page.unreadable + harvest.add(page.events), calls)
            url, route = trail.checked(page.next_page), PAGES
        return True

    async def _fetch(self, call: Call, decode: Callable[[bytes], T], *, calls: CallCount) -> T:
        """Do a read and decode its answer, again when the API failed to give one (full jitter)."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable) & retry_if_not_exception_type(Hopeless),
            stop=stop_after_attempt(self._limits.tries),
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return await retrying(self._attempt, call, decode, calls=calls)

    async def _attempt(self, call: Call, decode: Callable[[bytes], T], *, calls: CallCount) -> T:
        reply = raise_unless_ok(call, await self._patiently(call, calls=calls))
        try:
            content = decode(reply.body)
        except Unreadable:
            self._understood(call, reply, is_readable=False)
            raise Unavailable(f"{call} got an unreadable answer", status=reply.status) from None
        self._understood(call, reply, is_readable=True)
        return content

    def _understood(self, call: Call, reply: Reply | NoReply, *, is_readable: bool) -> None:
        """Tell whether a success was one; of the rest the status has told already."""
        if isinstance(reply, Reply) and is_success(reply.status):
            self._transport.understood(call, reply, is_readable=is_readable)

    async def _patiently(self, call: Call, *, calls: CallCount) -> Reply | NoReply:
        """Send a call that may be sent again after a 429: waiting is no failure (law 7)."""
        deadline = self._clock.monotonic() + self._limits.patience_s
        while True:
            reply = await self._transport.send(call, calls=calls)
            if isinstance(reply, NoReply) or reply.status != _TOO_MANY:
                return reply
            pause_s = self._transport.throttle.left_s
            if self._clock.monotonic() + pause_s >= deadline:
                return reply
            # The limiter holds everybody back meanwhile; sleeping here as well keeps this loop
            # slow even if the pause did not reach it.
            await self._clock.sleep(pause_s)

    async def _slow_down(self, reply: Reply | NoReply, answers: Sequence[Answer]) -> None:
        """Pause everybody when entries of an answered batch were refused with 429."""
        if isinstance(reply, NoReply) or reply.status == _TOO_MANY:
            return
        refusals = [answer for answer in answers if isinstance(answer, Throttled)]
        if refusals:
            seconds = [one.retry_after_s for one in refusals if one.retry_after_s is not None]
            await self._transport.refused(max(seconds, default=None))

    def _weight(self, writes: Sequence[Write]) -> int:
        if len(writes) > MAX_BATCH:
            raise ValueError(f"a batch takes {MAX_BATCH} edits, not {len(writes)}")
        if len({write.key for write in writes}) < len(writes):
            # The order within a batch is not promised, so the later edit might come first (§6).
            raise ValueError("two edits of one event in one batch")
        weight = len(writes) if self._limits.batch_counts_as == "each" else 1
        if weight > self._limiter.max_weight:
            raise ValueError(f"{weight} edits weigh more than the limiter grants at once")
        return weight

    def _get(
        self, access: Access, route: str, *, url: str | None = None, max_bytes: int | None = None
    ) -> Call:
        return Call(
            method="GET",
            base_url=access.base_url,
            route=route,
            url=url or access.base_url + route,
            token=access.token,
            turn=access.turn,
            max_bytes=max_bytes or self._limits.body_bytes,
        )

    def _post(self, access: Access, write: Write, *, departure: Departure | None) -> Call:
        return Call(
            method="POST",
            base_url=access.base_url,
            route=SINGLE,
            url=access.base_url + events_path(write.key.calendar_id),
            token=access.token,
            body=single_body(write),
            turn=access.turn,
            max_bytes=self._limits.body_bytes,
            departure=departure,
        )
