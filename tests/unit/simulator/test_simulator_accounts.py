"""Rows 12, 18, 19 and 23 of the notes' list: tokens, permission, profiles, calendars."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.worlds import (
    ANN,
    BOBS,
    TEAM,
    WORK,
    Caller,
    TurnedClock,
    a_body,
    a_calendar,
    a_world,
    an_event,
    calling,
    uid,
)
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET
from worker.simulator.values import Profile

CLIENT = {"client_id": SIM_CLIENT_ID, "client_secret": SIM_CLIENT_SECRET}
REFRESH = CLIENT | {"grant_type": "refresh_token", "refresh_token": f"refresh-{ANN}"}


async def refresh(ann: Caller, **fields: Any) -> tuple[int, Any]:
    """Asks for tokens."""
    return await ann.call("POST", "/oauth/token", json=REFRESH | fields)


async def test_an_expired_token_is_answered_401_and_a_refresh_heals_it() -> None:
    """Row 18: an empty 401 with a challenge, then new tokens with what expires when."""
    clock = TurnedClock()
    async with calling(a_world(clock=clock, token_life_s=1800)) as ann:
        clock.advance(1800)
        reply = await ann.send("GET", "/v1/calendars")
        assert (reply.status, reply.content_length) == (401, 0)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        status, tokens = await refresh(ann)
        assert (status, tokens["expires_in"], tokens["token_type"]) == (200, 1800, "bearer")
        assert tokens["refresh_token"] == f"refresh-{ANN}"
        ann.token = tokens["access_token"]
        assert (await ann.call("GET", "/v1/calendars"))[0] == 200


async def test_a_refresh_is_never_stored_and_takes_forms() -> None:
    """Section 1.1 and 1.3: form bodies are read, answers must not be cached."""
    async with calling(a_world()) as ann:
        reply = await ann.send("POST", "/oauth/token", data=REFRESH)
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")


async def test_the_same_access_token_comes_back_while_enough_is_left() -> None:
    """Row 18: expires_in is then what is left."""
    clock = TurnedClock()
    async with calling(a_world(clock=clock, same_access_token=True)) as ann:
        clock.advance(3000)
        _, tokens = await refresh(ann)
        assert (tokens["access_token"], tokens["expires_in"]) == (f"access-{ANN}", 600)
        clock.advance(1)
        assert (await refresh(ann))[1]["access_token"] != f"access-{ANN}"


async def test_a_rotated_refresh_token_replaces_the_old_one() -> None:
    """Row 18: whoever does not store what came back has lost the account."""
    async with calling(a_world(rotate_refresh_tokens=True)) as ann:
        _, tokens = await refresh(ann)
        assert tokens["refresh_token"] != f"refresh-{ANN}"
        assert await refresh(ann) == (400, {"error": "invalid_grant"})
        assert (await refresh(ann, refresh_token=tokens["refresh_token"]))[0] == 200


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "wrong"}, "invalid_grant"),
        ({"refresh_token": None}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "wrong"}, "invalid_grant"),
    ],
)
async def test_a_bad_token_request_is_a_400_with_its_error(
    fields: dict[str, Any], error: str
) -> None:
    """Section 1.3: the only endpoint family that answers 400."""
    async with calling(a_world()) as ann:
        assert await refresh(ann, **fields) == (400, {"error": error})


async def test_a_code_is_exchanged_once() -> None:
    """Section 1.3: the exchange also tells whose tokens they are."""
    sim = a_world()
    sim.codes["code-1"] = ANN
    async with calling(sim) as ann:
        exchange = {"grant_type": "authorization_code", "code": "code-1"}
        status, tokens = await refresh(ann, **exchange)
        assert (status, tokens["sub"]) == (200, ANN)
        assert tokens["linking_profile"]["profile_id"] == f"pro_{ANN}"
        assert (await refresh(ann, **exchange))[0] == 400


@pytest.mark.parametrize("named_by", [{"token": f"refresh-{ANN}"}, {"sub": ANN}])
async def test_a_revoked_authorization_is_over(named_by: dict[str, str]) -> None:
    """Row 18: 401 on calls, invalid_grant on refreshes; unknown tokens get the same answer."""
    async with calling(a_world()) as ann:
        assert (await ann.call("POST", "/oauth/token/revoke", json=CLIENT | named_by))[0] == 200
        assert (await ann.call("GET", "/v1/calendars"))[0] == 401
        assert await refresh(ann) == (400, {"error": "invalid_grant"})
        assert (await ann.call("POST", "/oauth/token/revoke", json=CLIENT | {"token": "x"}))[
            0
        ] == 200


async def test_calendars_are_listed_with_their_profile() -> None:
    """Row 23: section 2's fields, deleted and read-only ones among them."""
    sim = a_world()
    sim.add_calendar(a_calendar("cal_old", deleted=True, readonly=True))
    async with calling(sim) as ann:
        _, listed = await ann.call("GET", "/v1/calendars")
        assert listed["sub"] == ANN
        assert [each["calendar_id"] for each in listed["calendars"]] == [WORK, TEAM, "cal_old"]
        assert listed["calendars"][2]["calendar_deleted"]
        assert listed["calendars"][0]["permission_level"] == "unrestricted"


async def test_an_ordinary_account_is_asked_and_then_granted() -> None:
    """Row 12: the answer is an address; the level changes when the user has opened it."""
    sim = a_world(an_event(), lag_s=0)
    sim.calendars[WORK].permission_level = "sandbox"
    wanted = {"permissions": [{"calendar_id": WORK, "permission_level": "unrestricted"}]}
    async with calling(sim) as ann:
        assert (await ann.edit(a_body()))[0] == 403
        _, body = await ann.call("POST", "/v1/permissions", json=wanted)
        assert sim.calendars[WORK].permission_level == "sandbox"
        assert (await ann.call("GET", body["permissions_request"]["url"]))[0] == 200
        assert (await ann.edit(a_body()))[0] == 202


async def test_an_enterprise_account_is_granted_at_once() -> None:
    """Row 12: the other answer form."""
    sim = a_world()
    sim.accounts[ANN].enterprise = True
    sim.calendars[WORK].permission_level = "sandbox"
    wanted = {"permissions": [{"calendar_id": WORK, "permission_level": "unrestricted"}]}
    async with calling(sim) as ann:
        _, body = await ann.call("POST", "/v1/permissions", json=wanted)
        assert body == {"permissions_request": {"accepted": True}}
        assert sim.calendars[WORK].permission_level == "unrestricted"


@pytest.mark.parametrize(
    "permissions",
    [
        None,
        [],
        [{"calendar_id": BOBS, "permission_level": "unrestricted"}],
        [{"calendar_id": WORK}],
    ],
)
async def test_a_bad_permission_request_is_refused(permissions: Any) -> None:
    """Only own calendars, only known levels."""
    async with calling(a_world()) as ann:
        body = {"permissions": permissions}
        assert (await ann.call("POST", "/v1/permissions", json=body))[0] == 422


async def test_a_disconnected_profile_locks_its_calendars_only() -> None:
    """Row 19: 423 for one profile, the account's others go on, and it recovers."""
    sim = a_world(an_event(1), lag_s=0)
    sim.accounts[ANN].profiles["pro_two"] = Profile(profile_id="pro_two", profile_name="two")
    sim.add_calendar(a_calendar("cal_two", profile_id="pro_two"))
    sim.add_event(an_event(2, calendar_id="cal_two"))
    async with calling(sim) as ann:
        lock = {"set": "locked", "profile_id": "pro_two"}
        await ann.call("POST", f"/_sim/accounts/{ANN}", json=lock)
        assert (await ann.edit(a_body(2), "cal_two"))[0] == 423
        assert (await ann.edit(a_body(1)))[0] == 202
        _, info = await ann.call("GET", "/v1/userinfo")
        connected = [each["profile_connected"] for each in info["cronofy.data"]["profiles"]]
        assert connected == [True, False]
        await ann.call("POST", f"/_sim/accounts/{ANN}", json={"set": "unlocked"})
        assert (await ann.edit(a_body(2), "cal_two"))[0] == 202


async def test_writes_may_be_buffered_until_a_profile_is_back() -> None:
    """Section 9: changes pile up while the provider is away, with no error to the application."""
    async with calling(a_world(an_event(), lag_s=0, disconnected_code=202)) as ann:
        await ann.call("POST", f"/_sim/accounts/{ANN}", json={"set": "locked"})
        assert (await ann.edit(a_body()))[0] == 202
        assert ann.sim.event(WORK, uid(1)).start.hour == 9
        assert ann.sim.pending == 1
        await ann.call("POST", f"/_sim/accounts/{ANN}", json={"set": "unlocked"})
        assert ann.sim.event(WORK, uid(1)).start.hour == 10


async def test_an_account_tells_about_itself() -> None:
    """userinfo, account and profiles have the shapes of section 1.5."""
    async with calling(a_world()) as ann:
        _, info = await ann.call("GET", "/v1/userinfo")
        calendars = info["cronofy.data"]["profiles"][0]["profile_calendars"]
        assert [each["calendar_id"] for each in calendars] == [WORK, TEAM]
        assert (await ann.call("GET", "/v1/account"))[1]["account"]["account_id"] == ANN
        assert len((await ann.call("GET", "/v1/profiles"))[1]["profiles"]) == 1


async def test_a_revoked_profile_takes_its_calendars_along() -> None:
    """Section 1.4: one profile is dropped, not the account."""
    async with calling(a_world(an_event())) as ann:
        assert (await ann.call("POST", "/v1/profiles/pro_x/revoke"))[0] == 404
        assert (await ann.call("POST", f"/v1/profiles/pro_{ANN}/revoke"))[0] == 202
        assert (await ann.call("GET", "/v1/calendars"))[1]["calendars"] == []
        assert (await ann.edit(a_body()))[0] == 404


async def test_a_calendar_can_be_made() -> None:
    """Section 2: a name is needed and must be new."""
    async with calling(a_world()) as ann:
        made = {"profile_id": f"pro_{ANN}", "name": "New"}
        assert (await ann.call("POST", "/v1/calendars", json=made))[0] == 200
        assert (await ann.call("POST", "/v1/calendars", json=made))[0] == 422
        assert (await ann.call("POST", "/v1/calendars", json={}))[0] == 422
        unknown = made | {"profile_id": "pro_x", "name": "Other"}
        assert (await ann.call("POST", "/v1/calendars", json=unknown))[0] == 404


async def test_an_unknown_path_and_a_missing_scope_are_told() -> None:
    """404 and 403, as everywhere."""
    sim = a_world()
    sim.accounts[ANN].scope = "read_account"
    async with calling(sim) as ann:
        assert (await ann.call("GET", "/v1/nothing"))[0] == 404
        assert (await ann.call("GET", "/v1/calendars"))[0] == 403
        assert [seen.route for seen in sim.requests] == ["unknown", "calendars"]
