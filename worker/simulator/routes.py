"""The route table, and the way of a call through it: route, token, scope, handler."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from worker.simulator import accounts, batch, channels, reads, tokens, writes
from worker.simulator.answers import (
    ACCEPTED,
    NOT_FOUND,
    UNAUTHORIZED,
    Answer,
    Refusal,
    not_permitted,
    unprocessable,
)
from worker.simulator.calls import Call
from worker.simulator.simulator import Simulator
from worker.simulator.values import Account
from worker.simulator.writes import Action, Write, submit

Handler = Callable[[Simulator, Call], Answer]
_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Route(Struct, frozen=True):
    """One operation of the API."""

    name: str
    method: str
    path: str
    handler: Handler
    #: None = the route needs no token; "" = any token will do.
    scope: str | None = ""

    def match(self, method: str, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The names in the path, or None where the route is another."""
        pattern = self.path.split("/")
        if method != self.method or len(pattern) != len(segments):
            return None
        pairs = list(zip(pattern, segments, strict=True))
        if any(part != seen for part, seen in pairs if not part.startswith("{")):
            return None
        return {part[1:-1]: seen for part, seen in pairs if part.startswith("{")}


def all_routes() -> tuple[Route, ...]:
    """Every route, most used first."""
    events = "v1/calendars/{calendar_id}/events"
    return (
        Route("batch", "POST", "v1/batch", batch.run_batch),
        Route("edit", "POST", events, _single("edit")),
        Route("events", "GET", "v1/events", reads.read_events, "read_events"),
        Route("page", "GET", "v1/events/pages/{opaque}", reads.read_page, "read_events"),
        Route("token", "POST", "oauth/token", tokens.issue_token, None),
        Route("calendars", "GET", "v1/calendars", accounts.list_calendars, "list_calendars"),
        Route("delete", "DELETE", events, _single("delete")),
        Route(
            "participation",
            "POST",
            events + "/{event_uid}/participation_status",
            _single("participation"),
        ),
        Route("bulk_delete", "DELETE", "v1/events", delete_managed, "delete_event"),
        Route("permissions", "POST", "v1/permissions", accounts.ask_permission),
        Route("userinfo", "GET", "v1/userinfo", accounts.userinfo),
        Route("account", "GET", "v1/account", accounts.show_account, "read_account"),
        Route("profiles", "GET", "v1/profiles", accounts.list_profiles),
        Route("revoke_profile", "POST", "v1/profiles/{profile_id}/revoke", accounts.revoke_profile),
        Route(
            "create_calendar", "POST", "v1/calendars", accounts.create_calendar, "create_calendar"
        ),
        Route("channels", "POST", "v1/channels", channels.create_channel),
        Route("channels", "GET", "v1/channels", channels.list_channels),
        Route("channels", "DELETE", "v1/channels/{channel_id}", channels.close_channel),
        Route("revoke", "POST", "oauth/token/revoke", tokens.revoke_token, None),
    )


def find_route(routes: tuple[Route, ...], call: Call) -> Route | None:
    """The route of a call; its path's names are filled into the call."""
    for route in routes:
        names = route.match(call.method, call.segments)
        if names is not None:
            call.names = names
            return route
    return None


def holder_of(sim: Simulator, bearer: str | None) -> Account | None:
    """The account of an access token that is still good."""
    sub, ends_at = sim.access_tokens.get(bearer or "", ("", 0.0))
    account = sim.accounts.get(sub)
    return account if account and ends_at > sim.clock() and not account.revoked else None


def answer(sim: Simulator, route: Route | None, call: Call) -> Answer:
    """Carries out a call; refusals become answers."""
    try:
        return _checked(route, call).handler(sim, call)
    except Refusal as refusal:
        return refusal.answer()


def delete_managed(sim: Simulator, call: Call) -> Answer:
    """DELETE /v1/events: all managed events, or those of some calendars; never both keys [§5.3]."""
    calendar_ids, everything = _bulk(call)
    if bool(calendar_ids) == everything:
        raise unprocessable("delete_all", "errors.required", "either delete_all or calendar_ids")
    chosen = call.owner.calendar_ids if everything else calendar_ids
    if not set(chosen) <= set(call.owner.calendar_ids):
        raise unprocessable("calendar_ids", "errors.invalid_calendar_ids", "unknown calendar")
    for calendar_id in chosen:
        for uid in sorted(sim.diaries[calendar_id].managed):
            sim.schedule((calendar_id, uid), writes.deletion(sim))
    return Answer(ACCEPTED)


def _bulk(call: Call) -> tuple[list[str], bool]:
    """Both keys, from the body or (pycronofy) from the query."""
    body = call.fields()
    asked = [value for name, value in call.query if name == "calendar_ids[]"]
    everything = body.get("delete_all") or dict(call.query).get("delete_all", "")
    return body.get("calendar_ids") or asked, str(everything).lower() == "true"


def _checked(route: Route | None, call: Call) -> Route:
    """The route, where there is one and the token may use it."""
    if route is None:
        raise Refusal(NOT_FOUND)
    if route.scope is not None and call.account is None:
        raise Refusal(UNAUTHORIZED, headers=_CHALLENGE)
    if route.scope and route.scope not in call.owner.scope.split():
        raise not_permitted(f"scope {route.scope} is missing")
    return route


def _single(action: Action) -> Handler:
    def handle(sim: Simulator, call: Call) -> Answer:
        body: dict[str, Any] = call.fields()
        account = call.owner
        return submit(
            sim,
            Write(
                sub=account.sub,
                scope=account.scope,
                calendar_id=call.names["calendar_id"],
                body=body,
                action=action,
                event_uid=call.names.get("event_uid"),
                fault=call.fault,
            ),
        )

    return handle
