"""Telling others of campaigns: signed, tried again, and never to where it could do harm.

Each message is sent at least once: who dies between sending it and noting that sends it again, with
the same `id`, by which the receiver tells. A receiver checks `Calpatch-Signature:
t=SECONDS,v1=HEX`: HMAC-SHA256 with CALPATCH_WEBHOOK_SECRET over "SECONDS.BODY", and refuses old
ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
from collections.abc import Collection
from datetime import datetime

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from worker.engine import Engine
from worker.rules import is_private
from worker.store import Delivery
from worker.store.webhooks import MOST_TRIES

log = structlog.get_logger(__name__)

#: messages that one round sends, all at a time: who is slow holds up nobody else
MOST = 20
#: seconds for one message, from connecting to the answer's head; less than `webhooks.LEASE_S`, or
#: others would take it meanwhile
PATIENCE_S = 10.0
#: seconds after the first try, doubled by each, and between the last ones
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0


async def send_due(engine: Engine) -> int:
    """Send what is due; returns how many were taken."""
    due = await engine.db(engine.store.webhooks.take, most=MOST)
    if not due:
        return 0
    allowed = engine.settings.allowed_hosts
    connector = aiohttp.TCPConnector(resolver=_PublicOnly(allowed), force_close=True)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        return sum(
            await asyncio.gather(*(_send(engine, session, one, allowed=allowed) for one in due))
        )


async def _send(
    engine: Engine, session: aiohttp.ClientSession, one: Delivery, *, allowed: Collection[str]
) -> bool:
    """Send one message; an answer of 2xx alone says that it was taken."""
    webhooks = engine.store.webhooks
    secret = engine.settings.webhook_secret.get_secret_value()
    status = 0
    # Signed with nothing it would prove nothing, and anybody could have written it.
    if secret and is_public(one.url, allowed=allowed):
        status = await _posted(engine, session, one, secret=secret)
    if 200 <= status < 300:  # noqa: PLR2004 - as HTTP has it
        await engine.db(webhooks.done, one.id, status=status)
        return True
    is_last = one.tries >= MOST_TRIES
    event = "webhook.given_up" if is_last else "webhook.not_taken"
    why = "" if secret else "CALPATCH_WEBHOOK_SECRET is not set"
    log.warning(event, campaign=one.campaign_id, status=status, attempt=one.tries, why=why)
    if is_last:
        await engine.db(webhooks.done, one.id, status=status)
    else:
        seconds = wait_s(one.tries, roll=engine.roll())
        await engine.db(webhooks.put_off, one.id, status=status, seconds=seconds)
    return False


def wait_s(tries: int, *, roll: float) -> float:
    """Return the seconds until the next try: twice as long each time, an hour in the end.

    A quarter of it is by chance, so that those that failed together do not come together. With
    `MOST_TRIES` of them a receiver may be away for 38 hours, and mostly is asked for two days.
    """
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries - 1, 20))
    return longest * (0.75 + 0.25 * roll)


async def _posted(
    engine: Engine, session: aiohttp.ClientSession, one: Delivery, *, secret: str
) -> int:
    """Post it and return the status; 0 for no answer. A redirect is no answer that counts."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "calpatch",
        "Calpatch-Signature": signature(one.body, secret=secret, at=engine.clock.now()),
    }
    try:
        async with session.post(
            one.url, data=one.body.encode(), headers=headers, allow_redirects=False
        ) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return 0


def signature(body: str, *, secret: str, at: datetime) -> str:
    """Return what proves that a message is ours, and of when; `at` is aware."""
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), f"{seconds}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={signed}"


def is_public(url: str, *, allowed: Collection[str]) -> bool:
    """Tell whether a message may go to this address, as far as its text says.

    HTTPS to anywhere but this network; hosts that the operator allows may be both plain and private
    (API7:2023, server side request forgery). Names are looked at when they have been resolved.
    """
    try:
        parsed = URL(url)
    except ValueError:
        return False
    host = parsed.host or ""
    if host in allowed:
        return parsed.scheme in {"http", "https"}
    return parsed.scheme == "https" and bool(host) and not is_private(host)


class _PublicOnly(AbstractResolver):
    """Resolves names to public addresses alone: whatever a name says now, it is not us."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host in self._allowed:
            return found
        public = [each for each in found if not is_private(each["host"])]
        if not public:
            raise OSError(f"{host} is not a public host")
        return public

    async def close(self) -> None:
        await self._resolver.close()
