"""Nothing that is read, sent or said may show a token or a person's event (law 9)."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.builders import an_image
from tests.unit.cronofy.samples import key, page, wire_event
from tests.unit.cronofy.scripted import (
    TOKEN,
    WINDOW,
    Cut,
    Scene,
    Scripted,
    Silence,
    reply,
    scene,
)
from worker.cronofy import Access, Write, build_edit

CANARIES = (
    TOKEN,
    "canary-text",
    "canary-refresh",
    "canary-secret",
    "canary-cal",
    "tzid=",
    "Bearer",
)

EVENT = wire_event(1, summary="canary-text", description="canary-text")
#: answers that put an event's text wherever it could be quoted from
ANSWERS: list[Scripted] = [
    reply(200, page(EVENT)),
    reply(200, page(EVENT, wire_event(2, recurring="canary-text", start="canary-text"))),
    reply(200, page(EVENT, next_page="http://canary-text.example/canary-text")),
    reply(207, {"batch": [{"status": 422, "data": {"errors": {"canary-text": [{"key": "c t"}]}}}]}),
    reply(200, b'{"events": [{"summary": "canary-text'),
    reply(200, b'{"events": [{"summary": "canary-text \xff"}]}'),
    reply(200, b'{"sub": "canary-text \xff", "calendars": [{"calendar_id": "canary-text \xff"}]}'),
    reply(200, b'{"access_token": "canary-text \xff"}'),
    reply(207, b'{"batch": [{"status": 422, "data": {"errors": {"canary-text \xff": []}}}]}'),
    reply(200, page(EVENT), content_encoding="gzip"),
    reply(200, b"canary-text" * 20_000),
    b"canary-text canary-text canary-text\r\n\r\n",
    b"HTTP/1.1 canary-text OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncanary-text\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary-text\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: canary-text\r\n\r\n",
    reply(200, page(EVENT), set_cookie="canary-text[]=canary-text; Domain=canary-text"),
    reply(302, location="http://canary-text.example/?canary-text"),
    reply(401, b"canary-text", www_authenticate='Bearer error="canary-text"'),
    reply(422, {"errors": {"summary": [{"key": "canary-text!", "description": "canary-text"}]}}),
    reply(429, b"canary-text", retry_after="canary-text"),
    reply(400, {"error": "canary-text"}),
    reply(503, b"canary-text"),
    Cut(),
    Silence(),
]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Everything that is logged at DEBUG, by whatever library."""
    lines: list[str] = []

    def note(_: Any, name: str, event: Any) -> Any:
        lines.append(f"{name} {event!r}")
        raise structlog.DropEvent

    caplog.set_level(logging.DEBUG)
    structlog.configure(processors=[structlog.processors.format_exc_info, note])
    yield lines
    lines += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    structlog.reset_defaults()
    leaks = [line for line in lines for canary in CANARIES if canary in line]
    assert leaks == []


def _told(error: BaseException) -> str:
    """Return all that an error could show: its text, its fields, and those of its causes."""
    text = [repr(error), str(error), repr(error.__dict__)]
    text += traceback.format_exception(error)
    inner: BaseException | None = error.__cause__ or error.__context__
    while inner is not None:
        text += [repr(inner), str(inner)]
        inner = inner.__cause__ or inner.__context__
    # The tests' own lines are quoted by a traceback, and name what is searched for.
    return "\n".join(line for line in text if "tests/unit" not in line)


async def _everything(at: Scene) -> Iterator[Any]:
    """Return calls of all kinds, one after the other."""
    last = an_image(summary="canary-text", description="canary-text")
    edits = [build_edit(key(number), last, ("summary", "description")) for number in (1, 2)]
    return iter(
        [
            lambda: at.client.read_events(
                at.access, WINDOW, wanted=None, calendar_ids=["canary-cal"], calls=at.calls
            ),
            lambda: at.client.calendars(at.access, calls=at.calls),
            lambda: at.client.account(at.access, calls=at.calls),
            lambda: at.client.write_batch(at.access, edits, calls=at.calls),
            lambda: at.client.write_batch(at.access, edits[:1], calls=at.calls),
            lambda: at.client.refresh(
                base_url=at.api.url,
                client_id="client",
                client_secret="canary-secret",
                refresh_token="canary-refresh",
                calls=at.calls,
            ),
        ]
    )


@pytest.mark.parametrize("answer", ANSWERS, ids=[str(number) for number in range(len(ANSWERS))])
async def test_no_call_shows_a_secret_or_a_text(answer: Scripted, said: list[str]) -> None:
    """Whatever comes back, neither logs nor errors with their causes quote it."""
    quick: dict[str, Any] = {
        "total_s": 1.0,
        "sock_read_s": 0.1,
        "page_bytes": 50_000,
        "body_bytes": 50_000,
    }
    async with scene(answer, patience_s=0.0, **quick) as at:
        for call in await _everything(at):
            try:
                answers = await call()
            except Exception as error:
                said.append(_told(error))
            else:
                said += [repr(answers)] if isinstance(answers, list) else []
        said.append(repr(at.calls))
    assert any("call.ended" in line for line in said)


async def test_a_connection_that_fails_shows_nothing(said: list[str]) -> None:
    """The library's own message would name the address."""
    async with scene(reply(200)) as at:
        closed = Access(sub="acc_1", base_url="http://127.0.0.1:1", token=TOKEN)
        with contextlib.suppress(Exception):
            await at.client.calendars(closed, calls=at.calls)
        said.append(repr(closed))


def test_what_holds_a_secret_does_not_show_it() -> None:
    """A repr ends in tracebacks, logs and debuggers."""
    shown = [
        repr(Access(sub="acc_1", base_url="http://h", token=TOKEN)),
        repr(Write(key=key(), body={"summary": "canary-text"})),
    ]
    assert not [line for line in shown for canary in CANARIES if canary in line]


async def test_a_log_line_has_what_an_operator_needs(said: list[str]) -> None:
    """Method, route template, status and duration; nothing of them is personal."""
    async with scene(reply(200, {"calendars": []})) as at:
        await at.client.calendars(at.access, calls=at.calls)
    (line,) = [line for line in said if "call.ended" in line]
    for part in ("'GET'", "'/v1/calendars'", "200", "took_ms"):
        assert part in line
