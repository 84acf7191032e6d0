"""Where a token may go: to the API, whatever the API answers (checklist C 15).

The other host is a real server: that nothing has reached it is what is asserted.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from tests.builders import an_image
from tests.unit.cronofy.samples import key, page, wire_event
from tests.unit.cronofy.scripted import WINDOW, Scene, ScriptedApi, reply, scene
from worker.cronofy import build_edit
from worker.errors import ApiError, CircuitOpen, Unavailable

REDIRECTS = (301, 302, 303, 307, 308)


@pytest.fixture
async def elsewhere() -> AsyncIterator[ScriptedApi]:
    """Another server, which would answer as the API does."""
    api = ScriptedApi([reply(200, page(wire_event()))])
    async with api.listening():
        yield api


LAST = an_image(summary="Planning")
EDITS = [build_edit(key(number), LAST, ("summary",)) for number in (1, 2)]
#: Every call that the client has.
CALLS: dict[str, Callable[[Scene], Awaitable[object]]] = {
    "events": lambda at: at.client.read_events(at.access, WINDOW, wanted=None, calls=at.calls),
    "calendars": lambda at: at.client.calendars(at.access, calls=at.calls),
    "account": lambda at: at.client.account(at.access, calls=at.calls),
    "batch": lambda at: at.client.write_batch(at.access, EDITS, calls=at.calls),
    "edit": lambda at: at.client.write_batch(at.access, EDITS[:1], calls=at.calls),
    "refresh": lambda at: at.client.refresh(
        base_url=at.api.url,
        client_id="client",
        client_secret="secret",
        refresh_token="refresh",
        calls=at.calls,
    ),
}


async def make(call: str, at: Scene) -> None:
    """Make a call whose refusal does not matter; a redirect counts as no answer at all."""
    with contextlib.suppress(ApiError, CircuitOpen):
        await CALLS[call](at)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_call_follows_a_redirect(elsewhere: ScriptedApi, status: int, call: str) -> None:
    """Neither with its token nor without: reads, edits and refreshes stay at home."""
    async with scene(reply(status, location=f"{elsewhere.url}/v1/events")) as at:
        await make(call, at)
        assert at.api.requests
    assert elsewhere.requests == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", REDIRECTS)
async def test_not_even_home(status: int, call: str) -> None:
    """A redirect within the API would be a call that the limiter has not granted."""
    async with scene(reply(status, location="/v1/elsewhere")) as at:
        await make(call, at)
        assert not [each for each in at.api.requests if "elsewhere" in each.target]
        assert len(at.api.requests) == at.calls.total


@pytest.mark.parametrize(
    "link",
    [
        "{other}/v1/events/pages/2",
        "//{host}/v1/events/pages/2",
        "http://user@{host}/v1/events/pages/2",
        "http://{home}@{host}/v1/events/pages/2",
        "http://{host}#@{home}/v1/events/pages/2",
        "http://{host}?@{home}/",
        "http://{host}\\@{home}/",
        "HTTP://{host}/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:{port}/v1/events/pages/2",
        "http://0x7f000001:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.\u0661:{port}/",
        "http://127\u30020\u30020\u30021:{port}/",
        "http://\u0430pi.cronofy.com/",
        "http://{home}./v1/events/pages/2",
        "http://{home}%2eevil.example/",
        "file:///etc/passwd",
    ],
)
async def test_no_page_is_fetched_from_elsewhere(elsewhere: ScriptedApi, link: str) -> None:
    """The next page's address is the API's word, and still only good at the API's own host."""
    host = elsewhere.url.removeprefix("http://")

    def first(_: object, home: str) -> bytes:
        names = {"other": elsewhere.url, "host": host, "port": host.partition(":")[2]}
        names["home"] = home.removeprefix("http://")
        return reply(200, page(wire_event(), next_page=link.format(**names)))

    async with scene(first) as at:
        with pytest.raises(Unavailable):
            await at.client.read_events(at.access, WINDOW, wanted=None, calls=at.calls)
        assert len(at.api.requests) == 1
    assert elsewhere.requests == []


async def test_the_other_server_would_notice(elsewhere: ScriptedApi) -> None:
    """It does answer those who go there: who names it is the operator, and nobody else."""
    async with scene(reply(200, page(wire_event()))) as at:
        there = replace(at.access, base_url=elsewhere.url)
        assert await at.client.read_events(there, WINDOW, wanted=None, calls=at.calls)
    assert len(elsewhere.requests) == 1
