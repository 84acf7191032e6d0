"""Others are told of campaigns: signed, again until it is taken, and nowhere it could do harm."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web
from sqlalchemy import text

from tests.world import World, a_world
from worker.model import CampaignState, Run
from worker.notify import is_public, send_due, signature

SECRET = "shared with the receiver"


@dataclass
class Receiver:
    """Somebody who is told; `answers` are given in turn, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], str]] = field(default_factory=list)


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def take(request: web.Request) -> web.Response:
        receiver.got.append((dict(request.headers), await request.text()))
        status = receiver.answers.pop(0) if receiver.answers else 200
        headers = {"Location": "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def notify(receiver: Receiver, *on: str) -> str:
    return json.dumps({"webhook": receiver.url, "on": on or ("held", "finished", "planned")})


def overdue(world: World) -> None:
    """Have what was put off be due now."""
    with world.store.database.begin() as connection:
        now = world.store.database.now_sql
        connection.execute(text(f"UPDATE webhooks SET next_at = {now} WHERE next_at IS NOT NULL"))


ALLOWED = {"webhook_secret": SECRET, "webhook_hosts": "127.0.0.1"}


async def test_the_end_is_told_signed_and_without_event_text(database_url: str) -> None:
    """A receiver can prove who said it, and when."""
    async with a_receiver() as receiver, a_world(database_url, **ALLOWED) as world:
        world.add_account()
        world.add_event(1, summary="Secret merger")
        campaign = world.submit([1], notify=notify(receiver))
        await world.drain(campaign)
        assert await send_due(world.engine) == 1
        assert await send_due(world.engine) == 0

        [(headers, body)] = receiver.got
        told = json.loads(body)
        assert (told["event"], told["campaign"], told["state"]) == (
            "campaign.finished", campaign, "completed",
        )  # fmt: skip
        assert told["counts"] == {"verified": 1}
        assert "merger" not in body
        at = headers["Calpatch-Signature"].partition(",")[0].removeprefix("t=")
        proof = hmac.new(SECRET.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        assert headers["Calpatch-Signature"] == f"t={at},v1={proof}"
        assert abs(int(at) - datetime.now(UTC).timestamp()) < 60


async def test_it_is_told_again_until_it_is_taken(sqlite_url: str) -> None:
    """A failure, a redirect and silence are not taken; the same id comes again."""
    async with a_receiver() as receiver, a_world(sqlite_url, **ALLOWED) as world:
        world.add_account()
        world.add_event(1)
        receiver.answers = [500, 302]
        campaign = world.submit([1], notify=notify(receiver))
        await world.drain(campaign)
        assert await send_due(world.engine) == 0
        assert await send_due(world.engine) == 0, "not at once"
        overdue(world)
        assert await send_due(world.engine) == 0
        overdue(world)
        assert await send_due(world.engine) == 1
        assert len({json.loads(body)["id"] for _, body in receiver.got}) == 1
        assert len(receiver.got) == 3, "the redirect was not followed"


async def test_a_plan_and_a_hold_are_told_to_those_who_asked(sqlite_url: str) -> None:
    """Each kind of news only where it is wanted."""
    async with a_receiver() as receiver, a_world(sqlite_url, **ALLOWED) as world:
        world.add_account()
        world.add_event(1)
        world.add_event(2)
        quiet = world.submit([2], key="quiet", run=Run(), notify=notify(receiver, "finished"))
        campaign = world.submit(
            [1], run=Run(max_changes=0, is_automatic=True), notify=notify(receiver)
        )
        for each in (campaign, quiet):
            await world.reach(each, CampaignState.AWAITING_APPROVAL)
        assert await send_due(world.engine) == 1
        told = json.loads(receiver.got[0][1])
        assert (told["event"], told["state_reason"]) == (
            "campaign.held", "1 changes are more than the 0 allowed",
        )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://169.254.169.254/latest",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https:///nowhere",
        "file:///etc/passwd",
        "https://[broken",
        "",
    ],
)
def test_it_goes_nowhere_within(url: str) -> None:
    """An address of this machine or network is refused before anybody is connected to."""
    assert not is_public(url, allowed=())


def test_the_operator_may_allow_hosts() -> None:
    """By name, with their own scheme; others stay as they are."""
    assert is_public("http://hooks.internal:8080/x", allowed=["hooks.internal"])
    assert is_public("https://example.com/x", allowed=["hooks.internal"])
    assert not is_public("ftp://hooks.internal/x", allowed=["hooks.internal"])


async def test_a_name_of_this_machine_is_not_posted_to(sqlite_url: str) -> None:
    """What a name resolves to decides, at the moment of connecting."""
    async with a_receiver() as receiver, a_world(sqlite_url, webhook_secret=SECRET) as world:
        world.add_account()
        world.add_event(1)
        receiver.url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        campaign = world.submit([1], notify=notify(receiver))
        await world.drain(campaign)
        assert await send_due(world.engine) == 0
        assert not receiver.got


def test_the_signature_is_the_documented_one() -> None:
    """A vector for those who write receivers."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert signature('{"a":1}', secret="s", at=at) == (
        "t=1772323200,v1=" + hmac.new(b"s", b'1772323200.{"a":1}', hashlib.sha256).hexdigest()
    )
