"""Row 20 of the notes' list: change notifications for people's edits, none for own writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.unit.simulator.worlds import (
    ANN,
    BOBS,
    TEAM,
    WORK,
    Caller,
    a_body,
    a_world,
    an_event,
    calling,
    uid,
)
from worker.simulator.channels import signature

#: A test vector that an official client publishes [sdk c#].
KNOWN_SECRET = "pDY0Oi7TJSP2hfNmZNkm5"
KNOWN_SIGNATURE = "6r2/HjBkqymGegX0wOfifieeUXbbHwtV/LohHS+jv6c="


class Receiver:
    """What came to a callback address."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.came: asyncio.Queue[tuple[dict[str, Any], bytes, str]] = asyncio.Queue()

    async def take(self, request: web.BaseRequest) -> web.Response:
        raw = await request.read()
        await self.came.put((await request.json(), raw, request.headers["Cronofy-HMAC-SHA256"]))
        return web.Response(status=self.status)

    async def next(self) -> dict[str, Any]:
        """The next notification."""
        async with asyncio.timeout(2):
            body, _, _ = await self.came.get()
        return dict(body["notification"])


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listens for callbacks."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def subscribe(ann: Caller, url: str, **filters: Any) -> dict[str, Any]:
    """Makes a channel."""
    body = {"callback_url": url, "filters": filters}
    status, answer = await ann.call("POST", "/v1/channels", json=body)
    assert status == 200
    return dict(answer["channel"])


def test_the_signature_is_the_documented_one() -> None:
    """The published vector, and one signature for each of two secrets."""
    body = b'{"example":"well-known"}'
    assert signature(body, (KNOWN_SECRET,)) == KNOWN_SIGNATURE
    assert signature(body, (KNOWN_SECRET, KNOWN_SECRET)) == f"{KNOWN_SIGNATURE},{KNOWN_SIGNATURE}"


async def test_a_persons_edit_is_notified_and_an_own_write_is_not() -> None:
    """Row 20: a change notification means somebody else touched the calendar."""
    async with receiving() as receiver, calling(a_world(an_event(), lag_s=0)) as ann:
        await subscribe(ann, receiver.url)
        assert (await receiver.next())["type"] == "verification"
        await ann.edit(a_body())
        ann.sim.settle()
        ann.sim.edit_as_user(WORK, uid(1), summary="Mine again")
        change = await receiver.next()
        assert change == {"type": "change", "changes_since": "2026-03-02T09:00:00Z"}
        assert receiver.came.empty()


async def test_callbacks_are_signed_over_their_raw_bytes() -> None:
    """Section 9: one signature per active secret."""
    sim = a_world(an_event())
    sim.client_secrets = ("new", "old")
    async with receiving() as receiver, calling(sim) as ann:
        await subscribe(ann, receiver.url)
        _, raw, header = await receiver.came.get()
        assert header == f"{signature(raw, ['new'])},{signature(raw, ['old'])}"


async def test_filters_choose_what_is_notified() -> None:
    """Only the named calendars, only managed events."""
    world = a_world(an_event(1), an_event(2, calendar_id=TEAM, event_id="mine"))
    async with receiving() as receiver, calling(world) as ann:
        team = await subscribe(ann, receiver.url, calendar_ids=[TEAM])
        managed = await subscribe(ann, receiver.url, only_managed=True)
        ann.sim.edit_as_user(WORK, uid(1), summary="Unheard")
        ann.sim.edit_as_user(TEAM, uid(2), summary="Heard twice")
        types = [(await receiver.next())["type"] for _ in range(4)]
        assert types == ["verification", "verification", "change", "change"]
        listed = (await ann.call("GET", "/v1/channels"))[1]["channels"]
        assert [each["channel_id"] for each in listed] == [
            team["channel_id"],
            managed["channel_id"],
        ]


async def test_an_identical_channel_is_the_same_and_a_closed_one_is_silent() -> None:
    """Section 9: one channel for one request; 202 on closing, 404 after."""
    async with receiving() as receiver, calling(a_world(an_event())) as ann:
        channel = await subscribe(ann, receiver.url)
        assert await subscribe(ann, receiver.url) == channel
        path = f"/v1/channels/{channel['channel_id']}"
        assert (await ann.call("DELETE", path))[0] == 202
        assert (await ann.call("DELETE", path))[0] == 404
        ann.sim.edit_as_user(WORK, uid(1), summary="Unheard")
        assert (await receiver.next())["type"] == "verification"
        assert receiver.came.empty()


async def test_a_disconnected_profile_is_notified() -> None:
    """Row 19: the application hears of it."""
    async with receiving() as receiver, calling(a_world()) as ann:
        await subscribe(ann, receiver.url)
        await ann.call("POST", f"/_sim/accounts/{ANN}", json={"set": "locked"})
        types = [(await receiver.next())["type"] for _ in range(2)]
        assert types == ["verification", "profile_disconnected"]


async def test_a_channel_needs_an_address_and_own_calendars() -> None:
    """What cannot be delivered is refused."""
    async with calling(a_world()) as ann:
        for body in (
            {},
            {"callback_url": "http://127.0.0.1:1/", "filters": {"calendar_ids": [BOBS]}},
        ):
            assert (await ann.call("POST", "/v1/channels", json=body))[0] == 422


async def test_a_deaf_receiver_stops_nothing() -> None:
    """A callback that nobody takes is tried again, then lost; the simulator goes on."""
    async with receiving() as receiver, calling(a_world(an_event())) as ann:
        receiver.status = 500
        await subscribe(ann, receiver.url)
        assert [(await receiver.next())["type"] for _ in range(2)] == ["verification"] * 2
        assert (await ann.call("GET", "/v1/calendars"))[0] == 200
