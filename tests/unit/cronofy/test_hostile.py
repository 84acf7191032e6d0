"""Replies that break off, never end, lie about themselves or lead elsewhere (faults 11 to 15)."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest

from tests.unit.cronofy.samples import page, wire_event, writes
from tests.unit.cronofy.scripted import (
    WINDOW,
    Act,
    Cut,
    Scene,
    Silence,
    Trickle,
    reply,
    scene,
)
from worker.cronofy import Access, Hopeless
from worker.errors import (
    ApiError,
    CredentialsLocked,
    Gone,
    NotPermitted,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from worker.rules import NOT_SENT, Accepted, InDoubt

PAGE = json.dumps(page(wire_event())).encode()
PACKED = gzip.compress(PAGE)
BOMB = gzip.compress(b" " * 30_000_000)
QUICK: dict[str, Any] = {
    "total_s": 1.0,
    "sock_read_s": 0.3,
    "page_bytes": 100_000,
    "body_bytes": 100_000,
}


async def read(at: Scene) -> Any:
    """Read a window."""
    return await at.client.read_events(at.access, WINDOW, wanted=None, calls=at.calls)


async def write(at: Scene, count: int = 2) -> Any:
    """Send a batch."""
    return await at.client.write_batch(at.access, writes(count), calls=at.calls)


#: name -> a reply that is none, and whether reading again could help
BAD: dict[str, tuple[Act, bool]] = {
    "reset at once": (Cut(), True),
    "reset in the head": (Cut(b"HTTP/1.1 200 OK\r\nContent-Le"), True),
    "reset in the body": (Cut(reply(200, PAGE)[:-20]), True),
    "closed in the body": (reply(200, PAGE)[:-20], True),
    "closed at once": (b"", True),
    "silence": (Silence(), True),
    "slow": (Trickle(reply(200, PAGE)), True),
    "not http": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", True),
    "bad header": (b"HTTP/1.1 200 OK\r\nBad Header\x00: x\r\n\r\n", True),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", True),
    "gzip cut": (reply(200, PACKED[:-30], content_encoding="gzip"), True),
    "gzip garbage": (reply(200, b"\x1f\x8bnot packed", content_encoding="gzip"), True),
    "deflate garbage": (reply(200, zlib.compress(PAGE)[:40], content_encoding="deflate"), True),
    "gzip bomb": (reply(200, BOMB, content_encoding="gzip"), False),
    "oversize": (reply(200, b" " * 200_000), False),
    "oversize promised": (reply(200, b" " * 200_000, content_length="5000000000"), False),
    "redirect": (reply(302, location="http://169.254.169.254/latest"), False),
    "redirect home": (reply(307, location="/v1/events"), False),
    "html": (reply(200, b"<html>Please sign in</html>", content_type="text/html"), True),
    "empty": (reply(200), True),
    "no content": (reply(204), True),
    "wrong charset": (reply(200, PAGE.decode().encode("utf-16"), content_type="a/b"), True),
}


@pytest.mark.row(12)
@pytest.mark.row(13)
@pytest.mark.row(14)
@pytest.mark.parametrize(("act", "again"), BAD.values(), ids=BAD)
async def test_a_read_ends_in_a_typed_error(act: Act, again: bool) -> None:
    """It is repeated where that may help, never hangs, and is never half believed."""
    async with scene(act, tries=2, **QUICK) as at:
        with pytest.raises(Unavailable) as caught:
            await read(at)
        assert isinstance(caught.value, Hopeless) is not again
        assert at.calls.total == len(at.api.requests) == (2 if again else 1)


@pytest.mark.row(12)
@pytest.mark.row(13)
@pytest.mark.parametrize("act", [act for act, _ in BAD.values()], ids=BAD)
async def test_a_batch_ends_in_doubt_and_is_sent_once(act: Act) -> None:
    """Whatever happens after the bytes have left, the edits may have been taken (law 5)."""
    async with scene(act, **QUICK) as at:
        answers = await write(at)
        assert len(answers) == 2
        assert all(isinstance(answer, InDoubt) for answer in answers)
        assert all(answer.why != NOT_SENT for answer in answers)
        assert len(at.api.requests) == 1


@pytest.mark.row(12)
@pytest.mark.parametrize("cut", range(0, len(reply(202)), 9))
async def test_a_single_edit_s_answer_counts_only_in_whole(cut: int) -> None:
    """Wherever the connection breaks, the edit is in doubt."""
    async with scene(Cut(reply(202, b"{}")[:cut]), **QUICK) as at:
        (answer,) = await write(at, 1)
        assert isinstance(answer, InDoubt)
        assert len(at.api.requests) == 1


@pytest.mark.row(12)
@pytest.mark.parametrize("count", [1, 2])
async def test_a_refused_connection_is_known_not_to_have_sent(count: int) -> None:
    """Nothing needs to be read before the next try."""
    async with scene(reply(202), connect_s=1.0) as at:
        closed = Access(sub="acc_1", base_url="http://127.0.0.1:1", token=at.access.token)
        answers = await at.client.write_batch(closed, writes(count), calls=at.calls)
        assert answers == [InDoubt(status=0, why=NOT_SENT, unanswered=True)] * count


@pytest.mark.row(12)
async def test_no_call_is_repeated_behind_the_limiter_s_back() -> None:
    """The HTTP library would send a broken GET again by itself, without a slot (law 7)."""
    async with scene(Cut(), tries=3) as at:
        with pytest.raises(Unavailable):
            await read(at)
        assert at.pace.weights == [1, 1, 1]
        assert len(at.api.requests) == 3


async def test_a_packed_answer_is_read() -> None:
    """The bounds do not forbid what is normal."""
    async with scene(reply(200, PACKED, content_encoding="gzip"), **QUICK) as at:
        assert len(await read(at)) == 1


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        (400, Rejected, 1),
        (401, Unauthorized, 1),
        (402, NotPermitted, 1),
        (403, NotPermitted, 1),
        (404, Gone, 1),
        (408, Unavailable, 3),
        (410, Gone, 1),
        (418, Rejected, 1),
        (422, Rejected, 1),
        (423, CredentialsLocked, 1),
        (500, Unavailable, 3),
        (502, Unavailable, 3),
        (503, Unavailable, 3),
        (504, Unavailable, 3),
        (599, Unavailable, 3),
        (300, Hopeless, 1),
    ],
)
async def test_every_status_of_a_read_has_its_error(
    status: int, kind: type[ApiError], tries: int
) -> None:
    """Callers tell by the class what to do next; only the API's own failures are tried again."""
    async with scene(reply(status, {"errors": {"tzid": [{"key": "errors.required"}]}})) as at:
        with pytest.raises(kind) as caught:
            await read(at)
        assert type(caught.value) is kind
        assert caught.value.status == status
        assert at.calls.calls == {("/v1/events", status): tries}
        if isinstance(caught.value, Rejected):
            assert caught.value.keys == ("tzid:errors.required",)


async def test_a_read_that_recovers_gives_its_events() -> None:
    """Two failures in a row are survived in place."""
    async with scene(Cut(), reply(503), reply(200, PAGE)) as at:
        assert len(await read(at)) == 1
        assert at.calls.calls == {
            ("/v1/events", 0): 1,
            ("/v1/events", 503): 1,
            ("/v1/events", 200): 1,
        }


async def test_a_refused_read_waits_and_goes_on() -> None:
    """Waiting is no failure: five refusals use up no try (law 7)."""
    refused = reply(429, retry_after="2")
    async with scene(*[refused] * 5, reply(200, PAGE), tries=1) as at:
        assert len(await read(at)) == 1
        assert at.pace.pauses == [2] * 5
        assert at.clock.monotonic() == pytest.approx(10)


async def test_a_read_s_patience_has_an_end() -> None:
    """Beyond it the work goes back, so that no lease runs out meanwhile."""
    async with scene(reply(429, retry_after="50"), patience_s=120) as at:
        with pytest.raises(RateLimited) as caught:
            await read(at)
        assert caught.value.retry_after_s == 50
        assert at.pace.pauses == [50, 50, 50]


async def test_refusals_without_a_word_wait_for_the_second_then_for_twice_as_long() -> None:
    """The second may be full or the minute (§7), and only trying tells which."""
    async with scene(reply(429), reply(429), reply(200, PAGE), reply(429), reply(200, PAGE)) as at:
        await read(at)
        await read(at)
        assert at.pace.pauses == [1, 2, 1]


async def test_cookies_are_neither_kept_nor_sent() -> None:
    """Accounts share one session; nothing of one may reach another."""
    async with scene(reply(200, PAGE, set_cookie="sid=1; Path=/")) as at:
        await read(at)
        await read(at)
        assert "cookie" not in at.api.requests[1].headers


async def test_proxy_settings_of_the_environment_are_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable must not lead tokens elsewhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with scene(reply(202)) as at:
        assert await write(at, 1) == [Accepted()]


async def test_a_cancelled_call_is_counted() -> None:
    """Its slot is used, and the API may have seen it."""
    async with scene(Silence()) as at:
        call = asyncio.create_task(write(at))
        await at.api.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert at.calls.calls == {("/v1/batch", 0): 1}
        assert "/v1/batch" in repr(at.calls)
