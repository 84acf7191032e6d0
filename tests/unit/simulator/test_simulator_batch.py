"""Row 16 of the notes' list: the batch."""

from __future__ import annotations

from tests.unit.simulator.worlds import BOBS, TEAM, WORK, a_body, a_world, an_event, calling, uid
from worker.simulator.values import Options


async def test_each_item_has_its_own_status_in_the_order_asked() -> None:
    """Row 16: 207, one entry each, not atomic; only refused ones carry data."""
    locked = an_event(2, options=Options(update=False))
    async with calling(a_world(an_event(1), locked, an_event(3), lag_s=0)) as ann:
        foreign = {
            "method": "POST",
            "relative_url": f"/v1/calendars/{BOBS}/events",
            "data": a_body(),
        }
        deletion = {
            "method": "DELETE",
            "relative_url": f"/v1/calendars/{WORK}/events",
            "data": {"event_uid": uid(3)},
        }
        status, body = await ann.batch(a_body(1), a_body(2), foreign, deletion)
        assert status == 207
        assert [item["status"] for item in body["batch"]] == [202, 422, 404, 202]
        assert ["data" in item for item in body["batch"]] == [False, True, False, False]
        assert ann.sim.event(WORK, uid(3)).deleted
        assert [write.via for write in ann.sim.writes] == ["batch"] * 4


async def test_calendars_of_one_account_may_mix() -> None:
    """Row 16: one token, several calendars, percent-encoded where needed."""
    async with calling(a_world(an_event(1), an_event(2, calendar_id=TEAM), lag_s=0)) as ann:
        team = {"method": "POST", "relative_url": f"/v1/calendars/{TEAM}/events", "data": a_body(2)}
        work = {
            "method": "POST",
            "relative_url": "/v1/calendars/cal_work%401/events",
            "data": a_body(),
        }
        _, body = await ann.batch(team, work)
        assert [item["status"] for item in body["batch"]] == [202, 202]


async def test_fifty_pass_and_fifty_one_do_not() -> None:
    """Row 16: over the limit the whole batch is refused and nothing is taken."""
    async with calling(a_world(an_event())) as ann:
        assert (await ann.batch(*[a_body()] * 50))[0] == 207
        assert (await ann.batch(*[a_body()] * 51))[0] == 422
        assert len(ann.sim.writes) == 50


async def test_what_a_batch_cannot_do_fails_alone() -> None:
    """Reads and participation are not supported, and spoil nothing else."""
    async with calling(a_world(an_event(), lag_s=0)) as ann:
        reading = {"method": "GET", "relative_url": "/v1/events", "data": {}}
        _, body = await ann.call("POST", "/v1/batch", json={"batch": [reading, 7, None]})
        assert [item["status"] for item in body["batch"]] == [422, 422, 422]
        assert (await ann.call("POST", "/v1/batch", json={"batch": []}))[0] == 422
        assert (await ann.call("POST", "/v1/batch", json={}))[0] == 422


async def test_a_missing_scope_is_a_status_of_the_item() -> None:
    """A token that may not write is refused item by item."""
    sim = a_world(an_event())
    sim.accounts["acc_ann"].scope = "read_events"
    async with calling(sim) as ann:
        status, body = await ann.batch(a_body())
        assert (status, body["batch"][0]["status"]) == (207, 403)
        assert (await ann.edit(a_body()))[0] == 403
