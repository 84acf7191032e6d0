"""Others are told of campaigns: signed, again until it is taken, and nowhere it could do harm."""

from __future__ import annotations

import asyncio
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
from worker import notify as notify_module
from worker.model import CampaignState, Run
from worker.notify import is_public, send_due, signature, wait_s
from worker.store.webhooks import MOST_TRIES

SECRET = "shared with the receiver"


@dataclass
class Receiver:
    """Somebody who is told; `answers` are given in turn, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    #: while it is not set, nobody is answered
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    got: list[tuple[dict[str, str], str]] = field(default_factory=list)


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    receiver.may_answer.set()

    async def take(request: web.Request) -> web.Response:
        receiver.got.append((dict(request.headers), await request.text()))
        await receiver.may_answer.wait()
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


async def finished(world: World, receiver: Receiver, *numbers: int) -> list[str]:
    """Bring a campaign of one edit to its end for each number, and return their ids."""
    world.add_account()
    ended = []
    for number in numbers:
        world.add_event(number)
        name = world.submit([number], key=f"k{number}", notify=notify(receiver, "finished"))
        await world.drain(name)
        ended.append(name)
    return ended


async def test_who_is_slow_holds_up_nobody_else(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are asked at a time, and nobody for longer than others leave it to this process."""
    monkeypatch.setattr(notify_module, "PATIENCE_S", 1.0)
    async with a_receiver() as slow, a_receiver() as quick, a_world(sqlite_url, **ALLOWED) as world:
        slow.may_answer.clear()
        await finished(world, slow, 1, 2, 3)
        await finished(world, quick, 4)
        began_s = asyncio.get_running_loop().time()
        assert await send_due(world.engine) == 1
        assert asyncio.get_running_loop().time() - began_s < 3.0
        assert (len(slow.got), len(quick.got)) == (3, 1)
        slow.may_answer.set()
        overdue(world)
        assert await send_due(world.engine) == 3


async def test_who_dies_after_sending_has_it_sent_again_with_the_same_id(sqlite_url: str) -> None:
    """At least once: the id tells the receiver that it has this already."""
    async with a_receiver() as receiver, a_world(sqlite_url, **ALLOWED) as world:
        await finished(world, receiver, 1)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(world.store.webhooks, "done", _killed)
            with pytest.raises(RuntimeError, match="killed"):
                await send_due(world.engine)
        assert await send_due(world.engine) == 0, "it is another's for a minute"
        overdue(world)
        assert await send_due(world.engine) == 1
        first, again = (json.loads(body) for _, body in receiver.got)
        assert first == again


def _killed(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


async def test_a_receiver_may_be_away_for_a_day(sqlite_url: str) -> None:
    """And is told when it is back; one that never comes back is given up, in the end."""
    a_day = [wait_s(tries, roll=0.0) for tries in range(1, MOST_TRIES)]
    assert sum(a_day) > 36 * 3600
    assert a_day[0] < 5.0
    assert max(wait_s(tries, roll=1.0) for tries in range(1, MOST_TRIES)) == 3600.0
    async with a_receiver() as receiver, a_world(sqlite_url, **ALLOWED) as world:
        await finished(world, receiver, 1)
        receiver.answers = [503] * MOST_TRIES
        for _ in range(MOST_TRIES + 2):
            await send_due(world.engine)
            overdue(world)
        assert len(receiver.got) == MOST_TRIES
        assert not world.store.webhooks.are_due()


async def test_nothing_is_sent_that_nobody_could_prove(sqlite_url: str) -> None:
    """A worker without the secret would sign with an empty one, as anybody can."""
    async with a_receiver() as receiver, a_world(sqlite_url, webhook_hosts="127.0.0.1") as world:
        await finished(world, receiver, 1)
        assert await send_due(world.engine) == 0
        assert not receiver.got
        assert not world.store.webhooks.are_due(), "it is tried again, later"


async def test_a_job_is_named_with_its_day(sqlite_url: str) -> None:
    """So that whoever is told need not take keys apart."""
    async with a_receiver() as receiver, a_world(sqlite_url, **ALLOWED) as world:
        await finished(world, receiver, 1)
        await send_due(world.engine)
        told = json.loads(receiver.got[0][1])
        assert (told["job"], told["for"]) == ("", "")
        assert set(told) == {
            "id", "event", "at", "campaign", "key", "state", "state_reason", "job", "for", "total",
            "counts",
        }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://[::ffff:169.254.169.254]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::7f00:1]/",
        "https://224.0.0.1/",
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
