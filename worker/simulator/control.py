"""The control API under /_sim/: look into the simulated world, and meddle with it.

Never part of the real service. No authentication: it is a tool for one machine, and listens where
it is told to.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
from aiohttp import web

from worker.simulator import accounts, tokens
from worker.simulator.answers import NOT_FOUND, UNPROCESSABLE
from worker.simulator.faults import read_faults
from worker.simulator.records import counts
from worker.simulator.simulator import Simulator
from worker.simulator.values import Account, Event, Notice

#: Lines that are sent at once, so that a hundred thousand events never lie in memory as text.
_CHUNK = 500
_ENCODER = msgspec.json.Encoder()
Action = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Answers the control API of one simulator."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "state"): self._state,
            ("GET", "events"): self._events,
            ("GET", "requests"): self._requests,
            ("GET", "writes"): self._writes,
            ("GET", "stats"): self._stats,
            ("GET", "grant"): self._grant,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "events"): self._meddle,
            ("POST", "behaviour"): self._behave,
            ("POST", "accounts"): self._change_account,
            ("POST", "settle"): self._settle,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers one control request; what is wrong with it is said in one line."""
        name = request.match_info["tail"].split("/")[0]
        action = self._actions.get((request.method, name))
        if action is None:
            known = ", ".join(f"{method} /_sim/{each}" for method, each in self._actions)
            return _text(f"no such control call; there are: {known}", NOT_FOUND)
        try:
            return await action(request)
        except KeyError as error:
            return _text(f"not found: {error.args[0]!r}", NOT_FOUND)
        except (ValueError, TypeError) as error:
            return _text(str(error), UNPROCESSABLE)

    # --- looking ---------------------------------------------------------------------------------

    async def _state(self, request: web.Request) -> web.StreamResponse:
        """Accounts, calendars and counts; the events too with ?events=true."""
        sim = self._sim
        sim.settle()
        shown: dict[str, Any] = {
            "summary": _summary(sim),
            "behaviour": sim.behaviour,
            "accounts": [_shown_account(each) for each in sim.accounts.values()],
            "calendars": list(sim.calendars.values()),
        }
        if request.query.get("events", "").lower() == "true":
            shown["events"] = list(sim.events.values())
        return _json(shown)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """All true events as JSON lines, each with account and initial image."""
        self._sim.settle()
        return await _stream(request, images(self._sim))

    async def _requests(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, _slice(self._sim.requests, request))

    async def _writes(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, _slice(self._sim.writes, request))

    async def _stats(self, _: web.Request) -> web.StreamResponse:
        """Counts by route and status, busiest windows with and without refused calls, writes."""
        sim = self._sim
        spans = sorted({1.0, 60.0} | {span for _, span in sim.behaviour.rate})
        return _json(
            {
                "requests": counts(sim.requests),
                "total": len(sim.requests),
                "refused": len(sim.limiter.refused),
                "busiest": {f"{span:g}s": sim.busiest(span) for span in spans},
                "busiest_with_refused": {
                    f"{span:g}s": sim.busiest(span, refused=True) for span in spans
                },
                "writes": len(sim.writes),
                "writes_taken": sum(write.taken for write in sim.writes),
                "writes_pending": sim.pending,
            }
        )

    # --- meddling ---------------------------------------------------------------------------------

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        """The page that a user opens to give elevated permission: opening it is granting it."""
        token = request.match_info["tail"].partition("/")[2]
        accounts.grant(self._sim, self._sim.asked.pop(token))
        return _text("granted")

    async def _list_faults(self, _: web.Request) -> web.StreamResponse:
        return _json(self._sim.faults.shown())

    async def _add_faults(self, request: web.Request) -> web.StreamResponse:
        faults = read_faults(await request.text(), source="body")
        self._sim.faults.add(*faults)
        return _json({"added": len(faults)})

    async def _clear_faults(self, _: web.Request) -> web.StreamResponse:
        self._sim.faults.clear()
        return _json({"added": 0})

    async def _meddle(self, request: web.Request) -> web.StreamResponse:
        """POST events/edit and events/delete: as the user would at the provider."""
        body = await _fields(request)
        key = (str(body["calendar_id"]), str(body["event_uid"]))
        match request.match_info["tail"]:
            case "events/edit":
                event = self._sim.edit_as_user(*key, **_converted(body["fields"]))
            case "events/delete":
                event = self._sim.delete_as_user(*key)
            case other:
                raise KeyError(other)
        return _json(event)

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        self._sim.behave(**await _fields(request))
        return _json(self._sim.behaviour)

    async def _change_account(self, request: web.Request) -> web.StreamResponse:
        """`{"set": a state of `set_account`, "profile_id": optional}` or `{"scope": "…"}`."""
        account = self._sim.accounts[request.match_info["tail"].partition("/")[2]]
        body = await _fields(request)
        if "scope" in body:
            account.scope = str(body["scope"])
        if "set" in body:
            set_account(self._sim, account, str(body["set"]), body.get("profile_id"))
        return _json(_shown_account(account))

    async def _settle(self, _: web.Request) -> web.StreamResponse:
        """Lets every accepted write take now, late ones too."""
        self._sim.settle(all_of_them=True)
        return _json(_summary(self._sim))


def set_account(
    sim: Simulator, account: Account, state: str, profile_id: str | None = None
) -> None:
    """Changes what an account or one of its profiles (default: all) is good for."""
    match state:
        case "revoked":
            tokens.revoke(sim, account)
        case "expired":
            tokens.expire(sim, account)
        case "locked" | "unlocked":
            for each in [profile_id] if profile_id else list(account.profiles):
                _connect(sim, account, each, connected=state == "unlocked")
        case "enterprise":
            account.enterprise = True
        case _:
            raise ValueError(
                f"set: {state!r} is not revoked, expired, locked, unlocked or enterprise"
            )


def _connect(sim: Simulator, account: Account, profile_id: str, *, connected: bool) -> None:
    """Row 19: a profile loses or regains its provider's credentials; the others go on."""
    account.profiles[profile_id].connected = connected
    if connected:
        sim.release(profile_id)
        return
    for channel in sim.channels.values():
        if channel.sub == account.sub:
            sim.post_notice(Notice(channel=channel, kind="profile_disconnected"))


def _summary(sim: Simulator) -> dict[str, Any]:
    return {
        "accounts": len(sim.accounts),
        "calendars": len(sim.calendars),
        "events": len(sim.events),
        "requests": len(sim.requests),
        "writes": len(sim.writes),
        "writes_pending": sim.pending,
        "faults": len(sim.faults.faults),
    }


def _shown_account(account: Account) -> dict[str, Any]:
    """An account without its tokens."""
    hidden = ("access_token", "refresh_token")
    return {
        name: value for name, value in msgspec.structs.asdict(account).items() if name not in hidden
    }


def images(sim: Simulator) -> Iterator[dict[str, Any]]:
    """Every event as it is and as it was seeded, and whether people changed it themselves."""
    meddled = set(sim.meddled)
    for key, event in sim.events.items():
        initial: Event | None = sim.initial.get(key)
        yield {
            "sub": sim.calendars[key[0]].sub,
            "calendar_id": key[0],
            "event_uid": key[1],
            "changed": event is not initial,
            "meddled": key in meddled,
            "event": event,
            "initial": initial,
        }


def _slice(records: list[Any], request: web.Request) -> Iterable[Any]:
    """All records, or those from ?after=N on, at most ?limit=N."""
    after = int(request.query.get("after", 0))
    limit = int(request.query.get("limit", len(records)))
    return records[after : after + limit]


async def _fields(request: web.Request) -> dict[str, Any]:
    return msgspec.json.decode(await request.read(), type=dict[str, Any])


def _converted(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a user's edit with the types of an `Event`, checked."""
    times = {name: fields[name] for name in ("start", "end", "location") if name in fields}
    plain = {name: value for name, value in fields.items() if name not in times}
    hints = {each.name: each.type for each in msgspec.structs.fields(Event)}
    return times | {
        name: msgspec.convert(value, hints.get(name, Any)) for name, value in plain.items()
    }


async def _stream(request: web.Request, values: Iterable[Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
    await response.prepare(request)
    async for chunk in _chunks(values):
        await response.write(chunk)
    return response


async def _chunks(values: Iterable[Any]) -> AsyncIterator[bytes]:
    lines = iter(values)
    while chunk := list(islice(lines, _CHUNK)):
        yield b"".join(_ENCODER.encode(value) + b"\n" for value in chunk)


def _json(value: Any) -> web.Response:
    return web.Response(body=_ENCODER.encode(value), content_type="application/json")


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text + "\n", status=status)
