"""The API allows less than its settings say: what calpatch does over HTTP, with a real log."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.builders import NOW, an_image
from worker.clock import SystemClock
from worker.cronofy import Access, CallCount, ClientLimits, Cronofy, open_session
from worker.cronofy.edits import Write, build_edit
from worker.limits import open_limiter, parse_rate
from worker.model import EventKey
from worker.rules import Accepted, Throttled, Turn
from worker.simulator import Behaviour, Simulator, SimulatorServer
from worker.simulator.values import Account, Calendar, Event, Profile

pytestmark = pytest.mark.row(16)

EDITS = 260


def a_simulator(behaviour: Behaviour) -> Simulator:
    """Return an API with one account and as many events as there are edits."""
    sim = Simulator(behaviour)
    profile = Profile(profile_id="pro_1", profile_name="a@example.com")
    tokens = {"access_token": "access-1", "refresh_token": "refresh-1"}
    sim.add_account(
        Account(sub="acc_1", email="a@example.com", name="A", profiles={"pro_1": profile}, **tokens)
    )
    sim.add_calendar(
        Calendar(calendar_id="cal_1", calendar_name="Work", sub="acc_1", profile_id="pro_1")
    )
    for number in range(EDITS):
        sim.add_event(
            Event(
                calendar_id="cal_1",
                event_uid=uid(number),
                summary="Meeting",
                start=NOW,
                end=NOW + timedelta(hours=1),
                created=NOW,
                updated=NOW,
            )
        )
    return sim


def uid(number: int) -> str:
    """Return the uid of a numbered event."""
    return f"evt_external_{number:024x}"


@pytest.mark.slow
@pytest.mark.redis
async def test_refusals_dry_up_and_the_true_limit_is_used(redis_url: str) -> None:
    """Somebody else uses the application: everybody slows down, and every edit still arrives."""
    sim = a_simulator(Behaviour(rate=((20, 1.0), (100, 10.0)), latency_s=(0.02, 0.06)))
    limiter = open_limiter(redis_url, rate=parse_rate("50/s"), share=1.0)
    todo = iter(range(EDITS))
    async with SimulatorServer(sim) as server, open_session() as session:
        client = Cronofy(session, limiter, clock=SystemClock(), limits=ClientLimits())
        access = Access(sub="acc_1", base_url=server.url, token="access-1", turn=Turn(campaign="c"))

        async def edit() -> None:
            for number in todo:
                write = build_edit(EventKey("cal_1", uid(number)), an_image(), ("start",))
                while (answer := await sent(client, access, write)) == "throttled":
                    pass
                assert answer == "accepted"

        await asyncio.gather(*(edit() for _ in range(12)))
    await limiter.aclose()
    passed = [at for at, _ in sim.limiter.granted]
    refused = [at for at, _ in sim.limiter.refused]
    took_s = passed[-1] - passed[0]
    assert len(passed) == EDITS
    assert 0.85 * (100 + 10 * (took_s - 10)) <= EDITS
    assert sum(at > passed[0] + 10 for at in refused) <= 12


async def sent(client: Cronofy, access: Access, write: Write) -> str:
    """Send one edit, once, and say what came of it."""
    (answer,) = await client.write_batch(access, [write], calls=CallCount())
    if isinstance(answer, Throttled):
        return "throttled"
    return "accepted" if isinstance(answer, Accepted) else repr(answer)
