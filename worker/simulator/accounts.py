"""What an account asks about itself: profiles, calendars, permissions [§1.5, §1.7, §2]."""

from typing import Any

from worker.simulator.answers import (
    ACCEPTED,
    LOCKED,
    NOT_FOUND,
    UNPROCESSABLE,
    Answer,
    Problems,
    Refusal,
    unprocessable,
)
from worker.simulator.calls import Call
from worker.simulator.shapes import EXTRA, shown_calendar
from worker.simulator.simulator import Simulator
from worker.simulator.values import SANDBOX, UNRESTRICTED, Account, Calendar, Profile

_HEX = 24


def userinfo(sim: Simulator, call: Call) -> Answer:
    """GET /v1/userinfo."""
    account = call.owner
    about: dict[str, Any] = {
        "authorization": {"scope": account.scope, "status": "active"},
        "profiles": [
            _shown_profile(sim, each) | {"profile_calendars": _calendars(sim, account, each)}
            for each in account.profiles.values()
        ],
        "conferencing_profiles": [],
    }
    shown: dict[str, Any] = {
        "sub": account.sub,
        "email": account.email,
        "name": account.name,
        "zoneinfo": account.tzid,
    }
    shown |= {"cronofy.type": "account", "cronofy.data": about}
    return Answer(content=shown | _extra(sim))


def show_account(sim: Simulator, call: Call) -> Answer:
    """GET /v1/account."""
    account = call.owner
    shown = {
        "account_id": account.sub,
        "email": account.email,
        "name": account.name,
        "scope": account.scope,
        "default_tzid": account.tzid,
    }
    return Answer(content={"account": shown} | _extra(sim))


def list_profiles(sim: Simulator, call: Call) -> Answer:
    """GET /v1/profiles."""
    profiles = [_shown_profile(sim, each) for each in call.owner.profiles.values()]
    return Answer(content={"profiles": profiles} | _extra(sim))


def revoke_profile(sim: Simulator, call: Call) -> Answer:
    """POST /v1/profiles/{profile_id}/revoke: drops one profile and its calendars [§1.4]."""
    account, profile_id = call.owner, call.names["profile_id"]
    if profile_id not in account.profiles:
        raise Refusal(NOT_FOUND)
    for calendar in list(sim.calendars_of(account.sub)):
        if calendar.profile_id == profile_id:
            account.calendar_ids.remove(calendar.calendar_id)
            calendar.sub = ""
    del account.profiles[profile_id]
    return Answer(ACCEPTED)


def list_calendars(sim: Simulator, call: Call) -> Answer:
    """GET /v1/calendars: deleted and read-only ones are listed too [row 23]."""
    account = call.owner
    shown = [
        each for profile in account.profiles.values() for each in _calendars(sim, account, profile)
    ]
    return Answer(content={"sub": account.sub, "calendars": shown} | _extra(sim))


def create_calendar(sim: Simulator, call: Call) -> Answer:
    """POST /v1/calendars."""
    account, body = call.owner, call.fields()
    problems = Problems()
    for field in ("profile_id", "name"):
        if not body.get(field):
            problems.add(field, "errors.required", f"{field} must be specified")
    problems.raise_any()
    profile = account.profiles.get(str(body["profile_id"]))
    if profile is None:
        raise Refusal(NOT_FOUND)
    if not profile.connected:
        raise Refusal(LOCKED)
    if body["name"] in {each.calendar_name for each in sim.calendars_of(account.sub)}:
        raise unprocessable("name", "errors.duplicate_calendar_name", "name must be unique")
    calendar = Calendar(
        calendar_id=f"cal_{sim.token(_HEX)}",
        calendar_name=str(body["name"]),
        sub=account.sub,
        profile_id=profile.profile_id,
    )
    sim.add_calendar(calendar)
    return Answer(content={"calendar": shown_calendar(calendar, profile)})


def ask_permission(sim: Simulator, call: Call) -> Answer:
    """POST /v1/permissions: an address for the user; granted to enterprises at once [row 12]."""
    account = call.owner
    wanted = _wanted(call)
    if not {calendar_id for calendar_id, _ in wanted} <= set(account.calendar_ids):
        raise unprocessable("permissions", "errors.invalid_calendar_ids", "unknown calendar")
    if account.enterprise:
        grant(sim, wanted)
        return Answer(content={"permissions_request": {"accepted": True}})
    token = sim.token(_HEX)
    sim.asked[token] = wanted
    return Answer(content={"permissions_request": {"url": f"{call.base_url}/_sim/grant/{token}"}})


def grant(sim: Simulator, wanted: tuple[tuple[str, str], ...]) -> None:
    """Gives calendars the permission level that was asked for."""
    for calendar_id, level in wanted:
        sim.calendars[calendar_id].permission_level = level


def _wanted(call: Call) -> tuple[tuple[str, str], ...]:
    permissions = call.fields().get("permissions")
    if not isinstance(permissions, list) or not permissions:
        raise unprocessable("permissions", "errors.required", "permissions must be specified")
    wanted = tuple(
        (str(each.get("calendar_id")), str(each.get("permission_level")))
        for each in permissions
        if isinstance(each, dict)
    )
    if not {level for _, level in wanted} <= {UNRESTRICTED, SANDBOX}:
        key = "errors.not_recognized"
        raise Refusal(
            UNPROCESSABLE,
            {"errors": {"permission_level": [{"key": key, "description": "not recognized"}]}},
        )
    return wanted


def _calendars(sim: Simulator, account: Account, profile: Profile) -> list[dict[str, Any]]:
    extra = sim.behaviour.extra_keys
    return [
        shown_calendar(each, profile, extra_keys=extra)
        for each in sim.calendars_of(account.sub)
        if each.profile_id == profile.profile_id
    ]


def _shown_profile(sim: Simulator, profile: Profile) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "provider_name": profile.provider_name,
        "provider_service": profile.provider_service,
        "profile_id": profile.profile_id,
        "profile_name": profile.profile_name,
        "profile_connected": profile.connected,
        "profile_initial_sync_required": profile.initial_sync_required,
    }
    if not profile.connected:
        shown["profile_relink_url"] = f"https://app.example.invalid/relink/{profile.profile_id}"
    return shown | _extra(sim)


def _extra(sim: Simulator) -> dict[str, Any]:
    return EXTRA if sim.behaviour.extra_keys else {}
