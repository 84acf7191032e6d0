"""Trading a refresh token for an access token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cronofy.scripted import Cut, Scene, Scripted, reply, scene
from worker.cronofy import TokenSet
from worker.errors import Rejected, SettingsError, TokenLost, Unavailable, WorkerError

OLD, SECRET = "canary-refresh-old", "canary-client-secret"


async def refreshed(at: Scene) -> TokenSet:
    """Refresh with the old token."""
    return await at.client.refresh(
        base_url=at.api.url,
        client_id="client",
        client_secret=SECRET,
        refresh_token=OLD,
        calls=at.calls,
    )


async def test_a_refresh_asks_as_documented() -> None:
    """The credentials go in the body, and no account's token goes along (§1.3)."""
    async with scene(reply(200, {"access_token": "a", "expires_in": 3600})) as at:
        await refreshed(at)
        (request,) = at.api.requests
        assert (request.method, request.target) == ("POST", "/oauth/token")
        assert "authorization" not in request.headers
        assert json.loads(request.body) == {
            "grant_type": "refresh_token",
            "client_id": "client",
            "client_secret": SECRET,
            "refresh_token": OLD,
        }
        assert at.calls.calls == {("/oauth/token", 200): 1}


@pytest.mark.parametrize(
    ("answer", "refresh_token", "expires_in_s"),
    [
        ({"refresh_token": "new", "expires_in": 1800}, "new", 1800),
        ({"expires_in": 1800.5}, OLD, 1800.5),
        ({"refresh_token": None, "expires_in": -1}, OLD, 0),
        ({"refresh_token": ""}, OLD, 300),
    ],
)
async def test_the_returned_tokens_are_kept(
    answer: dict[str, Any], refresh_token: str, expires_in_s: float
) -> None:
    """Whether refresh tokens rotate is not known; the life is the answer's own word."""
    async with scene(reply(200, {"access_token": "new", **answer})) as at:
        assert await refreshed(at) == TokenSet(
            access_token="new", refresh_token=refresh_token, expires_in_s=expires_in_s
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(400, {"error": "invalid_grant"}), TokenLost),
        (reply(400, {"error": "invalid_client"}), SettingsError),
        (reply(401, {"error": "invalid_client"}), SettingsError),
        (reply(400, {"error": "invalid_request"}), Rejected),
        (reply(400, {"error": "some canary-text"}), Rejected),
        (reply(400, b"<html>"), Rejected),
        (reply(401), Rejected),
        (reply(200, {"access_token": ""}), Unavailable),
        (reply(200, {"token": "x"}), Unavailable),
        (reply(200, b"<html>"), Unavailable),
        (reply(302, location="http://127.0.0.1:1"), Unavailable),
        (reply(503), Unavailable),
        (Cut(), Unavailable),
    ],
)
async def test_a_failed_refresh_says_what_to_do_next(
    answer: Scripted, kind: type[WorkerError]
) -> None:
    """Lost, misconfigured, refused or to be tried later; it is never repeated blindly."""
    async with scene(answer) as at:
        with pytest.raises(kind) as caught:
            await refreshed(at)
        assert len(at.api.requests) == 1
        assert "canary" not in f"{caught.value!s}{caught.value!r}{caught.value.__dict__}"


async def test_a_lost_account_carries_its_code() -> None:
    """It becomes the edits' outcome."""
    async with scene(reply(400, {"error": "invalid_grant"})) as at:
        with pytest.raises(TokenLost) as caught:
            await refreshed(at)
        assert caught.value.reason == "account_lost"


async def test_a_refused_refresh_waits_and_goes_on() -> None:
    """A 429 was not handled, so asking again is safe."""
    async with scene(reply(429, retry_after="3"), reply(200, {"access_token": "new"})) as at:
        assert (await refreshed(at)).access_token == "new"
        assert at.pace.pauses == [3]


def test_tokens_are_not_shown() -> None:
    """A repr may end in a log."""
    shown = repr(TokenSet(access_token="canary-a", refresh_token="canary-r", expires_in_s=60))
    assert "canary" not in shown
