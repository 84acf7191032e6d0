"""The breaker of a process: one probe at a time, whoever asks, and whoever is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.builders import NOW
from tests.unit.cronofy.scripted import NotingPace, Silence, reply, scene
from worker.clock import ManualClock
from worker.cronofy.breakers import Breaker, Breakers, Probed
from worker.cronofy.hosts import DATA_CENTERS, data_center_of
from worker.errors import CircuitOpen, LimiterUnavailable, WorkerError
from worker.rules.breaker import FAILURES_IN_A_ROW

Told = list[tuple[str, float | None]]


class Bench:
    """A breaker, and probes that are answered when the test says so."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.told: Told = []
        self.probes = 0
        self.answers: asyncio.Queue[bool | WorkerError] = asyncio.Queue()
        breakers = Breakers(clock=self.clock, herald=self.herald, roll=lambda: 0.0)
        self.breaker: Breaker = breakers.of(DATA_CENTERS["us"])
        assert breakers.of(DATA_CENTERS["us"]) is self.breaker
        assert breakers.of(DATA_CENTERS["de"]) is not self.breaker

    async def herald(self, data_center: str, wait_s: float | None) -> None:
        self.told.append((data_center, wait_s))

    async def probe(self) -> Probed:
        self.probes += 1
        left_at = self.clock.monotonic()
        found = await self.answers.get()
        if isinstance(found, WorkerError):
            raise found
        return Probed(left_at, found)

    def fail(self, count: int = FAILURES_IN_A_ROW) -> None:
        """Have so many calls fail."""
        for _ in range(count):
            self.breaker.note(is_answered=False, left_at=self.clock.monotonic())

    async def admitted(self) -> bool:
        """Ask to leave."""
        try:
            await self.breaker.admit(self.probe)
        except CircuitOpen:
            return False
        return True

    async def shut(self) -> None:
        """Open the breaker, with a first probe that failed."""
        self.fail()
        self.answers.put_nowait(False)
        assert not await self.admitted()


async def started(*works: Callable[[], Awaitable[bool]]) -> list[asyncio.Task[bool]]:
    """Start works, and let each come to where it waits."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize("is_answered", [True, False])
async def test_of_many_that_come_first_one_asks_for_all(is_answered: bool) -> None:
    """The first probe is waited for, so that a burst of one account's failures refuses nobody."""
    bench = Bench()
    bench.fail()
    tasks = await started(*[bench.admitted] * 5)
    assert not any(task.done() for task in tasks)
    bench.answers.put_nowait(is_answered)

    assert await asyncio.gather(*tasks) == [is_answered] * 5
    assert bench.probes == 1


async def test_later_probes_are_not_waited_for() -> None:
    """They may take long, and the threads are wanted for other data centers."""
    bench = Bench()
    await bench.shut()
    bench.clock.advance(3.0)
    prober, other = await started(bench.admitted, bench.admitted)
    assert not prober.done()
    assert other.done()
    assert not other.result()
    bench.answers.put_nowait(True)

    assert await prober
    assert await bench.admitted()


async def test_a_prober_that_is_stopped_hands_over() -> None:
    """A stopping worker's run must not keep the data center shut."""
    bench = Bench()
    bench.fail()
    first, second = await started(bench.admitted, bench.admitted)
    first.cancel()
    await asyncio.wait([first])
    bench.answers.put_nowait(True)

    assert await second
    assert bench.probes == 2


async def test_a_probe_without_a_slot_raises_why_and_is_due_again() -> None:
    """Without the limiter nothing leaves, not even a probe."""
    bench = Bench()
    bench.fail()
    bench.answers.put_nowait(LimiterUnavailable("The limiter does not answer"))
    with pytest.raises(LimiterUnavailable):
        await bench.breaker.admit(bench.probe)

    bench.answers.put_nowait(True)
    assert await bench.admitted()


async def test_whether_it_lives_is_asked_once_for_all_who_failed_together() -> None:
    """A probe for each of a thousand failed calls would be a thousand calls."""
    bench = Bench()
    first, second = await started(
        lambda: bench.breaker.lives(bench.probe), lambda: bench.breaker.lives(bench.probe)
    )
    assert await bench.admitted(), "a question holds up nobody"
    bench.answers.put_nowait(False)

    assert not await first
    assert not await second
    assert bench.probes == 1
    assert not await bench.breaker.lives(bench.probe)


async def test_an_answer_that_left_after_the_failure_is_as_good_as_a_probe() -> None:
    """Where others are answered all the time, nobody needs to ask."""
    bench = Bench()
    asking, waiting = await started(
        lambda: bench.breaker.lives(bench.probe), lambda: bench.breaker.lives(bench.probe)
    )
    bench.clock.advance(1.0)
    bench.breaker.note(is_answered=True, left_at=bench.clock.monotonic())
    bench.answers.put_nowait(False)

    assert await asking, "a later call was answered: the probe had bad luck"
    assert await waiting
    assert bench.probes == 1


async def test_what_nobody_could_ask_is_held_against_nobody() -> None:
    """No slot for a probe: then it is not known whose fault it was."""
    bench = Bench()
    bench.answers.put_nowait(LimiterUnavailable("The limiter does not answer"))
    assert not await bench.breaker.lives(bench.probe)
    assert bench.breaker.is_closed


async def test_people_are_told_of_each_next_try_and_of_the_end() -> None:
    """By the data center's name."""
    bench = Bench()
    await bench.shut()
    assert not await bench.admitted()
    bench.clock.advance(2.0)
    bench.answers.put_nowait(False)
    assert not await bench.admitted()
    bench.clock.advance(4.0)
    assert bench.breaker.back_for_s == 0.0
    bench.answers.put_nowait(True)
    assert await bench.admitted()

    assert bench.told == [("us", 2.0), ("us", 4.0), ("us", None)]
    bench.clock.advance(7.0)
    assert bench.breaker.back_for_s == 7.0
    assert bench.breaker.wait_s == 0.0


def test_a_data_center_is_known_by_its_address() -> None:
    """What the operator put in its place is none of them."""
    assert {data_center_of(address) for address in DATA_CENTERS.values()} == set(DATA_CENTERS)
    assert data_center_of("http://127.0.0.1:9001") == "custom"


# ---------------------------------------------------------------- through the client


async def test_a_probe_is_a_read_for_the_same_account() -> None:
    """Nobody's edit: userinfo, with the token at hand; and refused calls take no slot."""
    pace = NotingPace()
    async with scene(reply(503), pace=pace) as at:
        assert not await at.client.lives(at.access, calls=at.calls)
        assert [one.path for one in at.api.requests] == ["/v1/userinfo"]
        assert at.api.requests[0].headers["authorization"] == f"Bearer {at.access.token}"
        slots = len(pace.weights)

        with pytest.raises(CircuitOpen, match="does not answer"):
            await at.client.calendars(at.access, calls=at.calls)

        assert len(at.api.requests) == 1
        assert len(pace.weights) == slots
        assert 0 < at.client.wait_s(at.access.base_url) <= 2.0
        at.clock.advance(2.0)
        at.api.script[:] = [reply(401), reply(200, {"calendars": []})]
        at.api.requests.clear()
        assert await at.client.calendars(at.access, calls=at.calls) == []
        assert [one.path for one in at.api.requests] == ["/v1/userinfo", "/v1/calendars"]


@pytest.mark.parametrize(
    ("act", "lives"),
    [
        (reply(200, {"sub": "acc_1"}), True),
        *[(reply(status), True) for status in (401, 403, 423, 429)],
        (reply(200, b"<html>Back soon</html>"), False),
        (reply(302, location="/maintenance"), False),
        (reply(500), False),
        (Silence(), False),
    ],
)  # fmt: skip
async def test_any_answer_of_the_api_itself_is_a_sign_of_life(act: object, lives: bool) -> None:
    """A refusal is; a stand-in's page or silence is not."""
    async with scene(act, probe_s=0.2) as at:  # type: ignore[arg-type]
        assert await at.client.lives(at.access, calls=at.calls) is lives


async def test_a_refresh_is_probed_with_the_expired_token() -> None:
    """The refresh itself must not be the probe: its answer may get lost, and the account too."""
    async with scene(reply(503)) as at:
        await at.client.lives(at.access, calls=at.calls)
        at.clock.advance(2.0)
        at.api.requests.clear()
        with pytest.raises(CircuitOpen):
            await at.client.refresh(
                base_url=at.access.base_url,
                client_id="id",
                client_secret="secret",
                refresh_token="refresh",
                calls=at.calls,
                probe_token="expired",
            )

        assert [one.path for one in at.api.requests] == ["/v1/userinfo"]
        assert at.api.requests[0].headers["authorization"] == "Bearer expired"
