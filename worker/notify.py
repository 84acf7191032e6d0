"""Telling others of campaigns: signed, tried again, and never to where it could do harm.

A receiver checks `Calpatch-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 with CALPATCH_WEBHOOK_SECRET
over "SECONDS.BODY", and refuses old ones. A message may come twice; its `id` tells.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Collection
from datetime import datetime

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from worker.engine import Engine
from worker.rules import backoff_s
from worker.store import Delivery
from worker.store.webhooks import MOST_TRIES

log = structlog.get_logger(__name__)

#: messages that one round sends
MOST = 20
#: seconds for one message, from connecting to the answer's head
PATIENCE_S = 10.0
#: seconds between the last tries
LONGEST_WAIT_S = 3600.0
#: how much longer each wait is than what the rules would wait for the API, which sleeps less
PATIENT = 10.0


async def send_due(engine: Engine) -> int:
    """Send what is due; returns how many were taken."""
    due = await engine.db(engine.store.webhooks.take, most=MOST)
    if not due:
        return 0
    allowed = engine.settings.allowed_hosts
    connector = aiohttp.TCPConnector(resolver=_PublicOnly(allowed), force_close=True)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        taken = [await _send(engine, session, one, allowed=allowed) for one in due]
    return sum(taken)


async def _send(
    engine: Engine, session: aiohttp.ClientSession, one: Delivery, *, allowed: Collection[str]
) -> bool:
    """Send one message; an answer of 2xx alone says that it was taken."""
    webhooks = engine.store.webhooks
    status = 0
    if is_public(one.url, allowed=allowed):
        status = await _posted(engine, session, one)
    if 200 <= status < 300:  # noqa: PLR2004 - as HTTP has it
        await engine.db(webhooks.done, one.id, status=status)
        return True
    log.info("webhook.not_taken", webhook=one.id, status=status, tries=one.tries)
    if one.tries >= MOST_TRIES:
        await engine.db(webhooks.done, one.id, status=status)
    else:
        wait_s = min(LONGEST_WAIT_S, PATIENT * backoff_s(one.tries, roll=engine.roll()) + 5.0)
        await engine.db(webhooks.put_off, one.id, status=status, seconds=wait_s)
    return False


async def _posted(engine: Engine, session: aiohttp.ClientSession, one: Delivery) -> int:
    """Post it and return the status; 0 for no answer. A redirect is no answer that counts."""
    secret = engine.settings.webhook_secret.get_secret_value()
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
    return parsed.scheme == "https" and bool(host) and not _is_private(host)


def _is_private(host: str) -> bool:
    """Tell of an address, not of a name, that it is not one of the public Internet."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


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
        public = [each for each in found if not _is_private(each["host"])]
        if not public:
            raise OSError(f"{host} is not a public host")
        return public

    async def close(self) -> None:
        await self._resolver.close()
