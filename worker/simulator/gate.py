"""The way of one request: read, count against the limit, fault, handle, remember, answer."""

import asyncio
from typing import Any

from aiohttp import web
from msgspec import Struct

from worker.simulator import mischief
from worker.simulator.answers import TOO_MANY, Answer
from worker.simulator.calls import Call, batch_entries, path_segments, read_body
from worker.simulator.faults import Fault, Occasion
from worker.simulator.records import RequestRecord
from worker.simulator.routes import Route, all_routes, answer, find_route, holder_of
from worker.simulator.simulator import Simulator
from worker.simulator.windows import whole_seconds


class Arrival(Struct, frozen=True):
    """A request at the moment it came in."""

    at: float
    call: Call
    route: Route | None
    weight: int

    @property
    def name(self) -> str:
        """The route's name in log and faults."""
        return self.route.name if self.route else "unknown"


class Gate:
    """Lets requests in to one simulator."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._routes = all_routes()

    async def pass_through(self, request: web.Request) -> web.StreamResponse:
        """Answers one request to the API."""
        call = await read_call(request)
        arrival = self._arrive(call)
        refused = self._limit(arrival)
        if refused:
            self._note(arrival, refused, status=refused.status, weight=0)
            return await mischief.respond(request, refused, None)
        occasion = Occasion(arrival.name, self._sub(call), call.targets())
        fault = self._sim.faults.fire(occasion)
        reply = await self._carry_out(arrival, fault)
        act = fault.act if fault else None
        self._note(arrival, reply, status=mischief.wire_status(reply, act), fault=fault)
        return await mischief.respond(request, reply, act)

    def _arrive(self, call: Call) -> Arrival:
        route = find_route(self._routes, call)
        call.account = holder_of(self._sim, call.bearer)
        return Arrival(self._sim.clock(), call, route, self._weight(call, route))

    def _weight(self, call: Call, route: Route | None) -> int:
        """What a call costs [§7]: everything under /v1 counts, batch entries by a switch."""
        switches = self._sim.behaviour
        if call.segments[0] != "v1":
            return int(switches.token_calls_count)
        if route and route.name == "batch" and switches.batch_counts_as == "each":
            return max(1, len(batch_entries(call.body)))
        return 1

    def _limit(self, arrival: Arrival) -> Answer | None:
        """The 429, where a window is full."""
        sim, weight = self._sim, arrival.weight
        if not weight:
            return None
        switches = sim.behaviour
        wait = sim.limiter.admit(
            switches.rate, weight, arrival.at, refused_count=switches.refused_count
        )
        if not wait:
            return None
        headers = {"Retry-After": whole_seconds(wait)} if switches.retry_after else {}
        return Answer(TOO_MANY, None, headers)

    async def _carry_out(self, arrival: Arrival, fault: Fault | None) -> Answer:
        sim, call = self._sim, arrival.call
        low, high = sim.behaviour.latency_s
        try:
            if high:
                await asyncio.sleep(sim.rng.uniform(low, high))
            return await mischief.around(
                sim, arrival.name, call, fault, lambda: answer(sim, arrival.route, call)
            )
        except asyncio.CancelledError:
            # The caller went away while it waited: it counted, and nothing was taken.
            self._note(arrival, Answer(0), status=0, fault=fault)
            raise

    def _note(
        self,
        arrival: Arrival,
        reply: Answer,
        *,
        status: int,
        fault: Fault | None = None,
        weight: int | None = None,
    ) -> None:
        call = arrival.call
        self._sim.note_request(
            RequestRecord(
                at=arrival.at,
                method=call.method,
                route=arrival.name,
                path="/" + "/".join(call.segments),
                status=status,
                sub=self._sub(call),
                items=_items(call, reply),
                weight=arrival.weight if weight is None else weight,
                fault=fault.name if fault else None,
                took_s=round(self._sim.clock() - arrival.at, 6),
            )
        )

    def _sub(self, call: Call) -> str | None:
        """Whose call it is: by its access token, dead or alive, or by what it refreshes."""
        if call.segments[0] == "oauth" and isinstance(call.body, dict):
            return self._sim.refresh_tokens.get(str(call.body.get("refresh_token")))
        return self._sim.access_tokens.get(call.bearer or "", (None, 0.0))[0]


async def read_call(request: web.Request) -> Call:
    """A request as a `Call`; GET with a JSON body works as well [row 5]."""
    raw = await request.read() if request.can_read_body else b""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return Call(
        method=request.method,
        segments=path_segments(request.rel_url.raw_path),
        query=list(request.query.items()),
        body=read_body(raw, request.headers.get("Content-Type", "")),
        base_url=f"{request.scheme}://{request.host}",
        bearer=token.strip() if scheme.lower() == "bearer" else None,
    )


def _items(call: Call, reply: Answer) -> int:
    content: Any = reply.content
    if isinstance(content, dict) and "events" in content:
        return len(content["events"])
    return len(batch_entries(call.body))
