"""Calendars and profiles of an account."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cronofy.scripted import reply, scene
from worker.cronofy import AccountInfo, Profile
from worker.errors import Unavailable
from worker.model import Calendar


def wire_calendar(**fields: Any) -> dict[str, Any]:
    """Return a calendar that may be edited, as listed."""
    return {
        "calendar_id": "cal_1",
        "calendar_name": "Work",
        "calendar_readonly": False,
        "calendar_deleted": False,
        "permission_level": "unrestricted",
    } | fields


@pytest.mark.parametrize(
    ("fields", "calendar"),
    [
        ({}, Calendar(calendar_id="cal_1", name="Work", elevated=True)),
        (
            {"calendar_readonly": True, "calendar_deleted": True},
            Calendar(calendar_id="cal_1", name="Work", read_only=True, deleted=True, elevated=True),
        ),
        ({"permission_level": "sandbox"}, Calendar(calendar_id="cal_1", name="Work")),
        ({"permission_level": "Unrestricted"}, Calendar(calendar_id="cal_1", name="Work")),
        ({"permission_level": None}, Calendar(calendar_id="cal_1", name="Work")),
        (
            {"calendar_readonly": None, "calendar_name": None},
            Calendar(calendar_id="cal_1", read_only=True, elevated=True),
        ),
    ],
)
async def test_only_a_clear_yes_makes_a_calendar_editable(
    fields: dict[str, Any], calendar: Calendar
) -> None:
    """Any other word than the known one is no permission (§1.7)."""
    async with scene(reply(200, {"calendars": [wire_calendar(**fields)]})) as at:
        assert await at.client.calendars(at.access, calls=at.calls) == [calendar]
        assert at.api.requests[0].headers["authorization"] == f"Bearer {at.access.token}"


@pytest.mark.parametrize("body", [{}, {"calendars": [{"calendar_id": 7}]}, []])
async def test_an_unreadable_list_is_no_empty_list(body: Any) -> None:
    """Otherwise every edit would be skipped as not found."""
    async with scene(reply(200, body), tries=2) as at:
        with pytest.raises(Unavailable):
            await at.client.calendars(at.access, calls=at.calls)
        assert at.calls.calls == {("/v1/calendars", 200): 2}


def wire_account(*connected: bool | None) -> dict[str, Any]:
    """Return the answer about an account with such profiles."""
    profiles = [
        {
            "profile_id": f"pro_{number}",
            "provider_name": "google",
            "profile_connected": one,
            "profile_calendars": [{"calendar_id": f"cal_{number}"}],
        }
        for number, one in enumerate(connected)
    ]
    return {"sub": "acc_1", "email": "a@b.example", "cronofy.data": {"profiles": profiles}}


async def test_an_account_tells_which_profiles_are_connected() -> None:
    """A 423 is about one profile; its calendars are named."""
    async with scene(reply(200, wire_account(True, False))) as at:
        info = await at.client.account(at.access, calls=at.calls)
    first = Profile(
        profile_id="pro_0", provider_name="google", connected=True, calendar_ids=("cal_0",)
    )
    assert info.profiles[0] == first
    assert not info.connected


@pytest.mark.parametrize(
    ("answer", "connected"),
    [
        (wire_account(True), True),
        (wire_account(True, None), False),
        (wire_account(), False),
        ({"sub": "acc_1"}, False),
        ({"sub": "acc_1", "cronofy.data": {}}, False),
    ],
)
async def test_an_account_is_connected_when_all_of_it_is(
    answer: dict[str, Any], connected: bool
) -> None:
    """Silence is no connection."""
    async with scene(reply(200, answer)) as at:
        info = await at.client.account(at.access, calls=at.calls)
    assert isinstance(info, AccountInfo)
    assert (info.sub, info.connected) == ("acc_1", connected)


async def test_an_accounts_addresses_are_its_own_and_those_of_its_profiles() -> None:
    """By them its own events are known; a profile's name is an address with most providers."""
    profiles = [
        {"profile_id": "pro_1", "profile_name": " Ann@Home.example "},
        {"profile_id": "pro_2", "profile_name": "Ann's calendars"},
        {"profile_id": "pro_3", "profile_name": "ann@acme.com"},
        {"profile_id": "pro_4"},
    ]
    answer = {"sub": "acc_1", "email": "ANN@acme.com", "cronofy.data": {"profiles": profiles}}
    async with scene(reply(200, answer)) as at:
        info = await at.client.account(at.access, calls=at.calls)
    assert info.addresses == ("ann@acme.com", "ann@home.example")
