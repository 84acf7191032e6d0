"""Rows 16, 20 and 21 of the notes' list: faults by script, before and after the write was taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.simulator.worlds import (
    ANN,
    BOB,
    WORK,
    Caller,
    TurnedClock,
    a_body,
    a_world,
    an_event,
    calling,
    uid,
)
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, Simulator, load_faults
from worker.simulator.faults import Fault, read_faults


def armed(*entries: dict[str, Any], clock: TurnedClock | None = None, **switches: Any) -> Simulator:
    """A world with an event and some faults, given as a script gives them."""
    sim = a_world(an_event(1), an_event(2), clock=clock, **({"lag_s": 0} | switches))
    sim.faults.add(*read_faults(json.dumps(list(entries)), source="test"))
    return sim


def taken(sim: Simulator, number: int = 1) -> bool:
    """Whether the ordinary edit of an event took effect."""
    return sim.event(WORK, uid(number)).start.hour == 10


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_5xx_comes_before_or_after_the_write_was_taken(is_taken: bool) -> None:
    """Row 21: the same answer, with and without effect."""
    act = {"do": "reply", "status": 503, "taken": is_taken, "body": "<html>busy</html>"}
    async with calling(armed({"match": {"route": "edit"}, "act": act})) as ann:
        assert await ann.edit(a_body()) == (503, "<html>busy</html>")
        assert taken(ann.sim) is is_taken
        assert [(write.status, write.taken) for write in ann.sim.writes] == [(503, is_taken)]


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_reset_comes_before_or_after_the_write_was_taken(is_taken: bool) -> None:
    """Row 21: the caller cannot tell which; the log of requests shows status 0."""
    act = {"do": "reset", "taken": is_taken}
    async with calling(armed({"match": {"route": "batch"}, "act": act})) as ann:
        with pytest.raises(aiohttp.ClientError):
            await ann.batch(a_body(1), a_body(2))
        assert [taken(ann.sim, 1), taken(ann.sim, 2)] == [is_taken, is_taken]
        assert [(seen.status, seen.fault) for seen in ann.sim.requests] == [(0, "reset")]


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_hang_comes_before_or_after_the_write_was_taken(is_taken: bool) -> None:
    """Row 21: a caller with a timeout goes away, and the server closes in good time."""
    act = {"do": "hang", "taken": is_taken}
    async with calling(armed({"match": {"route": "edit"}, "act": act})) as ann:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ann.edit(a_body())
        assert taken(ann.sim) is is_taken


async def test_a_delay_is_before_or_after_the_write() -> None:
    """A caller that gives up during the wait has written, or not, as the script says."""
    for before in (False, True):
        act = {"do": "delay", "seconds": 30, "before": before}
        async with calling(armed({"match": {"route": "edit"}, "act": act})) as ann:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await ann.edit(a_body())
            assert taken(ann.sim) is not before


async def test_a_garbage_body_keeps_the_status() -> None:
    """Row 16: an HTML login page where JSON should be, and the writes are taken."""
    async with calling(armed({"match": {"route": "batch"}, "act": {"do": "garbage"}})) as ann:
        reply = await ann.send("POST", "/v1/batch", json={"batch": [_entry(1)]})
        assert (reply.status, reply.content_type) == (207, "text/html")
        assert taken(ann.sim)


async def test_a_truncated_body_breaks_off() -> None:
    """Row 16: the announced length never comes."""
    act = {"do": "truncate", "keep": 0.5}
    async with calling(armed({"match": {"route": "batch"}, "act": act})) as ann:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ann.batch(a_body())
        assert taken(ann.sim)


async def test_a_batch_reply_may_be_short_or_long() -> None:
    """Row 16: fewer or more entries than were asked, all writes taken."""
    short = {"match": {"route": "batch"}, "act": {"do": "shorten", "items": 1}}
    long = {"match": {"route": "batch"}, "act": {"do": "lengthen", "items": 2}}
    async with calling(armed(short, long)) as ann:
        lengths = [len((await ann.batch(a_body(1), a_body(2)))[1]["batch"]) for _ in range(3)]
        assert lengths == [1, 4, 2]
        assert taken(ann.sim, 2)


async def test_one_item_of_a_batch_fails_alone() -> None:
    """Row 16: a status of its own, by uid, before or after it was taken."""
    first = {
        "match": {"route": "batch_item", "event_uid": uid(1)},
        "act": {"do": "reply", "status": 502, "taken": True},
    }
    second = {
        "match": {"route": "write", "event_uid": uid(2)},
        "act": {"do": "reply", "status": 429, "retry_after": 3},
    }
    async with calling(armed(first, second)) as ann:
        _, body = await ann.batch(a_body(1), a_body(2))
        assert body["batch"] == [{"status": 502}, {"status": 429, "headers": {"Retry-After": "3"}}]
        assert [taken(ann.sim, 1), taken(ann.sim, 2)] == [True, False]


async def test_a_write_is_dropped_or_late_by_its_uid() -> None:
    """Row 1: some never, some hours later."""
    clock = TurnedClock()
    drop = {"match": {"route": "write", "event_uid": uid(1), "times": None}, "act": {"do": "drop"}}
    late = {"match": {"route": "edit", "event_uid": uid(2)}, "act": {"do": "late", "seconds": 7200}}
    async with calling(armed(drop, late, clock=clock)) as ann:
        assert [(await ann.edit(a_body(number)))[0] for number in (1, 2)] == [202, 202]
        await ann.batch(a_body(1))
        assert [taken(ann.sim, 1), taken(ann.sim, 2)] == [False, False]
        clock.advance(7200)
        assert [taken(ann.sim, 1), taken(ann.sim, 2)] == [False, True]


@pytest.mark.parametrize(
    ("match", "after", "summary"),
    [
        ({"route": "edit"}, False, "Meeting 1"),
        ({"route": "batch_item"}, False, "Meeting 1"),
        ({"route": "edit"}, True, "Mine"),
        ({"route": "batch"}, False, "Meeting 1"),
    ],
)
async def test_a_person_meddles_at_the_worst_moment(
    match: dict[str, Any], after: bool, summary: str
) -> None:
    """Row 20: the lost update, made on purpose."""
    act = {
        "do": "user_edit",
        "after": after,
        "fields": {"location": "Elsewhere", "summary": "Mine"},
    }
    async with calling(armed({"match": match, "act": act})) as ann:
        if match["route"] == "edit":
            await ann.edit(a_body())
        else:
            await ann.batch(a_body())
        event = ann.sim.event(WORK, uid(1))
        assert event.location
        assert (event.location.description, event.summary) == ("Elsewhere", summary)


async def test_a_person_deletes_between_read_and_write() -> None:
    """Row 20: the read shows it, the write finds it gone."""
    act = {
        "do": "user_edit",
        "delete": True,
        "calendar_id": WORK,
        "event_uid": uid(1),
        "after": True,
    }
    async with calling(armed({"match": {"route": "events"}, "act": act}, gone_code=404)) as ann:
        assert len(await ann.read()) == 2
        assert (await ann.edit(a_body()))[0] == 404


async def test_a_read_may_loop_for_ever() -> None:
    """A page whose next_page is itself: a client must notice."""
    async with calling(
        armed({"match": {"route": "events", "times": None}, "act": {"do": "loop_pages"}})
    ) as ann:
        _, first = await ann.call("GET", "/v1/events?tzid=Etc/UTC")
        _, second = await ann.call("GET", first["pages"]["next_page"])
        assert first == second


async def test_bodies_may_be_huge_or_slow() -> None:
    """Row 13 and 14 of the fault matrix: bombs and trickles."""
    huge = {"match": {"route": "events"}, "act": {"do": "huge", "size": 3_000_000, "gzip": True}}
    slow = {"match": {"route": "calendars"}, "act": {"do": "slow", "bytes_per_s": 100}}
    async with calling(armed(huge, slow)) as ann:
        _, text = await ann.call("GET", "/v1/events?tzid=Etc/UTC")
        assert len(text) == 3_000_000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ann.call("GET", "/v1/calendars")


async def test_a_fault_waits_for_its_turn_and_its_account() -> None:
    """after, times, sub and probability choose which requests are met."""
    act = {"do": "reply", "status": 500}
    entry = {"match": {"route": "calendars", "sub": ANN, "after": 1, "times": 2}, "act": act}
    never = {"match": {"probability": 0.0, "times": None}, "act": act}
    async with calling(armed(never, entry)) as ann:
        await _as(BOB, ann)
        assert [await _as(ANN, ann) for _ in range(4)] == [200, 500, 500, 200]


async def test_retry_after_may_be_nonsense() -> None:
    """Row 15 of the fault matrix: seconds, a date, or neither."""
    entries = [
        {"match": {}, "act": {"do": "reply", "status": 429, "retry_after": value}}
        for value in (0.5, "Wed, 21 Oct 2015 07:28:00 GMT", "soon")
    ]
    async with calling(armed(*entries)) as ann:
        seen = [(await ann.send("GET", "/v1/calendars")).headers["Retry-After"] for _ in range(3)]
        assert seen == ["0.5", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"]


def test_a_script_is_json_or_json_lines(tmp_path: Path) -> None:
    """Both forms say the same."""
    entry = {"match": {"route": "batch", "after": 2}, "act": {"do": "reset", "taken": True}}
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([entry, entry]))
    as_array = load_faults(script)
    script.write_text(f"# the third batch\n{json.dumps(entry)}\n\n{json.dumps(entry)}\n")
    assert load_faults(script) == as_array
    assert len(as_array) == 2
    script.write_text(json.dumps(entry, indent=2))
    assert load_faults(script) == as_array[:1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('[{"act": {"do": "reset"}}, {"act": {"do": "explode"}}]', "entry 2.*explode"),
        ('[{"act": {"do": "reset"}, "match": {"route": "nowhere"}}]', "entry 1.*nowhere"),
        ('[{"act": {"do": "reset", "takn": true}}]', "entry 1.*takn"),
        ('[{"act": {"do": "shorten"}, "match": {"route": "edit"}}]', "works on route batch"),
        ('[{"act": {"do": "reset"}, "match": {"route": "batch_item"}}]', "needs a whole request"),
    ],
)
def test_a_bad_script_is_refused_with_its_place(text: str, said: str) -> None:
    """A script with a typo must not run as one without faults."""
    with pytest.raises(
        ValueError, match=f"script.json: {'.*' if 'entry' not in said else ''}{said}"
    ):
        read_faults(text, source="script.json")


def test_a_fault_is_a_value() -> None:
    """Faults compare and can be kept: a failing run can be told by its script."""
    (one,), (other,) = (read_faults('{"act": {"do": "reset"}}', source="x") for _ in range(2))
    assert one == other
    assert isinstance(one, Fault)


async def _as(sub: str, ann: Caller) -> int:
    ann.token = f"access-{sub}"
    return (await ann.call("GET", "/v1/calendars"))[0]


def _entry(number: int) -> dict[str, Any]:
    path = f"/v1/calendars/{WORK}/events"
    return {"method": "POST", "relative_url": path, "data": a_body(number)}


@pytest.mark.parametrize("is_taken", [False, True])
@pytest.mark.parametrize(
    "act", [{"do": "reply", "status": 502}, {"do": "garbage", "body": "<html>"}]
)
async def test_a_whole_batch_fails_before_or_after_it_was_taken(
    act: dict[str, Any], is_taken: bool
) -> None:
    """Row 21: outer errors leave all items unproven."""
    fault = {"match": {"route": "batch"}, "act": act | {"taken": is_taken}}
    async with calling(armed(fault)) as ann:
        _, body = await ann.batch(a_body(1), a_body(2))
        assert "batch" not in body
        assert [taken(ann.sim, 1), taken(ann.sim, 2)] == [is_taken, is_taken]


async def test_a_batch_may_be_dropped_as_a_whole() -> None:
    """Row 1: every item answers 202, and nothing ever shows."""
    async with calling(armed({"match": {"route": "batch"}, "act": {"do": "drop"}})) as ann:
        _, body = await ann.batch(a_body(1), a_body(2))
        assert body == {"batch": [{"status": 202}, {"status": 202}]}
        assert [write.taken for write in ann.sim.writes] == [False, False]


async def test_a_fault_meets_one_accounts_refresh() -> None:
    """The token call's Bearer header is stale, so the account is known by what it refreshes."""
    fault = {"match": {"route": "token", "sub": ANN}, "act": {"do": "reply", "status": 500}}
    async with calling(armed(fault)) as ann:
        ann.token = "stale"
        for sub, status in ((BOB, 200), (ANN, 500), (ANN, 200)):
            assert (await ann.call("POST", "/oauth/token", json=refresh_of(sub)))[0] == status
        assert [seen.sub for seen in ann.sim.requests] == [BOB, ANN, ANN]


async def test_a_caller_that_leaves_while_it_waits_has_counted() -> None:
    """A request that was given up in the latency is in the log, and wrote nothing."""
    async with calling(a_world(an_event(), latency_s=(5, 5))) as ann:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ann.edit(a_body())
        for _ in range(100):
            if ann.sim.requests:
                break
            await asyncio.sleep(0.01)
        assert [(seen.status, seen.weight) for seen in ann.sim.requests] == [(0, 1)]
        assert ann.sim.writes == []


@pytest.mark.parametrize("act", ["reset", "truncate", "hang"])
async def test_a_broken_answer_leaves_no_trace_in_the_log(
    act: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A scripted fault is not an error of the simulator, and must not look like one."""
    # aiohttp's client tries a GET again by itself when its connection breaks: meet that too.
    fault = {"match": {"route": "calendars", "times": None}, "act": {"do": act}}
    async with calling(armed(fault)) as ann:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            async with asyncio.timeout(0.1):
                await ann.call("GET", "/v1/calendars")
    assert caplog.records == []


def refresh_of(sub: str) -> dict[str, str]:
    """A refresh of an account of the small world."""
    return {
        "client_id": SIM_CLIENT_ID,
        "client_secret": SIM_CLIENT_SECRET,
        "grant_type": "refresh_token",
        "refresh_token": f"refresh-{sub}",
    }
