"""A small simulated world with a clock that tests turn, and a client that only speaks HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import aiohttp

from worker.simulator import Behaviour, Simulator, SimulatorServer
from worker.simulator.values import Account, Calendar, Event, Profile

#: A Monday, half a year from any clock change in UTC.
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANN, BOB = "acc_ann", "acc_bob"
WORK, TEAM, BOBS = "cal_work@1", "cal_team", "cal_bob"


def uid(number: int) -> str:
    """A well-formed external uid."""
    return f"evt_external_{number:024x}"


class TurnedClock:
    """A clock in seconds since the epoch that moves when told."""

    def __init__(self, start: datetime = MONDAY) -> None:
        self.at = start.timestamp()

    def __call__(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


def an_account(sub: str = ANN, **fields: Any) -> Account:
    """An account with one profile and tokens named after it."""
    ordinary: dict[str, Any] = {
        "email": f"{sub}@example.com",
        "name": sub,
        "access_token": f"access-{sub}",
        "refresh_token": f"refresh-{sub}",
        "profiles": {f"pro_{sub}": Profile(profile_id=f"pro_{sub}", profile_name=sub)},
    }
    return Account(sub=sub, **(ordinary | fields))


def an_event(number: int = 1, *, calendar_id: str = WORK, **fields: Any) -> Event:
    """An hour's meeting, tomorrow at nine."""
    start = fields.pop("start", MONDAY + timedelta(days=1))
    ordinary: dict[str, Any] = {
        "calendar_id": calendar_id,
        "event_uid": uid(number),
        "summary": f"Meeting {number}",
        "start": start,
        "end": start + (timedelta(hours=1) if isinstance(start, datetime) else timedelta(days=1)),
        "created": MONDAY - timedelta(days=60),
        "updated": MONDAY - timedelta(days=60),
    }
    return Event(**(ordinary | fields))


def a_calendar(calendar_id: str, sub: str = ANN, **fields: Any) -> Calendar:
    """An unrestricted calendar."""
    ordinary = {"calendar_name": calendar_id, "profile_id": f"pro_{sub}"}
    return Calendar(calendar_id=calendar_id, sub=sub, **(ordinary | fields))


def a_world(*events: Event, clock: TurnedClock | None = None, **switches: Any) -> Simulator:
    """Ann with two calendars, Bob with one, and the given events."""
    sim = Simulator(Behaviour(**switches), clock=clock or TurnedClock())
    for sub in (ANN, BOB):
        sim.add_account(an_account(sub))
    sim.add_calendar(a_calendar(WORK, primary=True))
    sim.add_calendar(a_calendar(TEAM))
    sim.add_calendar(a_calendar(BOBS, BOB))
    for event in events:
        sim.add_event(event)
    return sim


def a_body(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An edit that moves an ordinary event by an hour."""
    ordinary = {
        "event_uid": uid(number),
        "summary": f"Meeting {number}",
        "start": "2026-03-03T10:00:00Z",
        "end": "2026-03-03T11:00:00Z",
    }
    return {name: value for name, value in (ordinary | fields).items() if value is not ...}


class Caller:
    """A bare HTTP client for one account of one server."""

    def __init__(self, session: aiohttp.ClientSession, sim: Simulator, url: str) -> None:
        self.session = session
        self.sim = sim
        self.url = url
        self.token = f"access-{ANN}"

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        """Status and body; a body that is not JSON comes as text."""
        reply = await self.send(method, path, **arguments)
        text = await reply.text()
        is_json = reply.content_type == "application/json" and text
        return reply.status, (await reply.json() if is_json else text)

    async def send(self, method: str, path: str, **arguments: Any) -> aiohttp.ClientResponse:
        """The whole answer, read."""
        url = path if path.startswith("http") else self.url + path
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, url, headers=headers, **arguments) as reply:
            await reply.read()
            return reply

    async def edit(self, body: Any, calendar_id: str = WORK) -> tuple[int, Any]:
        """One edit."""
        return await self.call("POST", f"/v1/calendars/{calendar_id}/events", json=body)

    async def batch(self, *entries: Any) -> tuple[int, Any]:
        """A batch; bodies of edits become entries."""
        path = f"/v1/calendars/{WORK}/events"
        wrapped = [
            each
            if "relative_url" in each
            else {"method": "POST", "relative_url": path, "data": each}
            for each in entries
        ]
        return await self.call("POST", "/v1/batch", json={"batch": wrapped})

    async def read(self, **query: Any) -> list[dict[str, Any]]:
        """The events of all pages."""
        status, page = await self.call("GET", "/v1/events", params={"tzid": "Etc/UTC"} | query)
        assert status == 200, page
        events: list[dict[str, Any]] = page["events"]
        while page["pages"].get("next_page"):
            status, page = await self.call("GET", page["pages"]["next_page"])
            assert status == 200, page
            events += page["events"]
        return events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.session.close()


@asynccontextmanager
async def calling(sim: Simulator) -> AsyncIterator[Caller]:
    """Serves a world and calls it as Ann."""
    async with (
        SimulatorServer(sim) as server,
        aiohttp.ClientSession() as session,
        Caller(session, sim, server.url) as caller,
    ):
        yield caller


def uids(events: list[dict[str, Any]]) -> list[str]:
    """The uids of events, in order."""
    return [event["event_uid"] for event in events]


def day(offset: int) -> date:
    """A day from the world's Monday."""
    return (MONDAY + timedelta(days=offset)).date()
