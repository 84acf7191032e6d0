"""Rows 2 to 6, 14, 15 and 22 of the notes' list: what Read Events shows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.unit.simulator.worlds import (
    BOB,
    BOBS,
    MONDAY,
    TEAM,
    WORK,
    TurnedClock,
    a_body,
    a_world,
    an_event,
    calling,
    day,
    uid,
    uids,
)
from worker.simulator.values import Location


@pytest.mark.parametrize(
    "query",
    [
        {"tzid": ""},
        {"tzid": "Mars/Olympus"},
        {"from": str(day(-43))},
        {"to": str(day(202))},
        {"from": "yesterday"},
        {"last_modified": "2026-02-30T00:00:00Z"},
        {"include_deleted": "perhaps"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    """Row 2: the zone is required, the window is -42 to +201 days."""
    async with calling(a_world()) as ann:
        asked = {"tzid": "Etc/UTC"} | query
        assert (await ann.call("GET", "/v1/events", params=asked))[0] == 422


async def test_the_window_may_be_clamped_instead() -> None:
    """Row 2: what happens beyond 201 days is unknown, so it is a switch."""
    far = an_event(start=MONDAY + timedelta(days=210))
    async with calling(a_world(far, beyond_window="clamp")) as ann:
        assert await ann.read(to=str(day(300))) == []


async def test_the_window_is_the_default_and_managed_events_ignore_it() -> None:
    """Row 2: without from and to, managed events of all time come back."""
    inside, outside = an_event(1), an_event(2, start=MONDAY + timedelta(days=300))
    managed = an_event(3, start=MONDAY + timedelta(days=900), event_id="mine")
    async with calling(a_world(inside, outside, managed)) as ann:
        assert uids(await ann.read()) == [uid(1)]
        assert uids(await ann.read(include_managed="true")) == [uid(1), uid(3)]
        assert uids(await ann.read(only_managed="True")) == [uid(3)]
        bounded = {"from": str(day(0)), "to": str(day(9)), "include_managed": "true"}
        assert uids(await ann.read(**bounded)) == [uid(1)]


async def test_only_managed_reads_may_look_anywhere() -> None:
    """Row 2: the limits of the window do not apply to them."""
    managed = an_event(3, start=MONDAY + timedelta(days=900), event_id="mine")
    async with calling(a_world(managed)) as ann:
        asked = {"only_managed": "true", "from": str(day(899)), "to": str(day(901))}
        assert uids(await ann.read(**asked)) == [uid(3)]
        assert await ann.read(**(asked | {"from": str(day(902)), "to": str(day(903))})) == []


@pytest.mark.parametrize(
    ("start", "end", "is_read"),
    [
        ("2026-03-05", "2026-03-06", False),
        ("2026-03-03", "2026-03-04", True),
        ("2026-03-01", "2026-03-03", False),
        ("2026-03-04", "2026-03-05", True),
    ],
)
async def test_from_compares_with_the_end_and_to_is_excluded(
    start: str, end: str, is_read: bool
) -> None:
    """Section 3.1: events ending on or after from and starting before to."""
    night = an_event(start=MONDAY.replace(hour=23) + timedelta(days=1))
    async with calling(a_world(night)) as ann:
        assert bool(await ann.read(**{"from": start, "to": end})) is is_read


async def test_the_dates_are_read_in_the_zone() -> None:
    """The same dates hold another event in another zone."""
    late = an_event(start=MONDAY.replace(hour=20) + timedelta(days=1))
    async with calling(a_world(late)) as ann:
        window = {"from": "2026-03-04", "to": "2026-03-05"}
        assert await ann.read(**window) == []
        assert len(await ann.read(**window, tzid="Asia/Tokyo")) == 1


async def test_all_day_events_compare_by_their_dates() -> None:
    """An all-day event has no zone: its days are days everywhere."""
    holiday = an_event(start=date(2026, 3, 5))
    async with calling(a_world(holiday)) as ann:
        for tzid in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Etc/UTC"):
            window = {"from": "2026-03-05", "to": "2026-03-06", "tzid": tzid}
            assert len(await ann.read(**window)) == 1


async def test_managed_events_hide_and_external_ones_carry_no_event_id() -> None:
    """Row 3: event_id tells a managed event, and only that."""
    async with calling(a_world(an_event(1), an_event(2, event_id="mine"))) as ann:
        (shown,) = await ann.read()
        assert "event_id" not in shown
        assert shown["options"] == {
            "delete": True,
            "update": True,
            "change_participation_status": True,
        }


async def test_pages_point_to_the_simulator_itself_and_add_up() -> None:
    """Row 4: absolute next_page, consistent totals, none on the last page."""
    events = [an_event(number) for number in range(1, 6)]
    async with calling(a_world(*events, page_size=2)) as ann:
        _, page = await ann.call("GET", "/v1/events?tzid=Etc/UTC")
        assert page["pages"]["next_page"].startswith(f"{ann.url}/v1/events/pages/")
        assert (page["pages"]["current"], page["pages"]["total"]) == (1, 3)
        assert uids(await ann.read()) == [uid(number) for number in range(1, 6)]


async def test_a_page_dies_and_belongs_to_its_reader() -> None:
    """Row 4: 404 for a dead page, and for somebody else's."""
    clock = TurnedClock()
    sim = a_world(
        *(an_event(number) for number in (1, 2)), clock=clock, page_size=1, page_life_s=60
    )
    async with calling(sim) as ann:
        _, page = await ann.call("GET", "/v1/events?tzid=Etc/UTC")
        following = page["pages"]["next_page"]
        ann.token = f"access-{BOB}"
        assert (await ann.call("GET", following))[0] == 404
        ann.token = "access-acc_ann"
        assert (await ann.call("GET", following))[0] == 200
        clock.advance(60)
        assert (await ann.call("GET", following))[0] == 404
        assert (await ann.call("GET", "/v1/events/pages/nonsense"))[0] == 404


async def test_a_get_with_a_json_body_works() -> None:
    """Row 5: the official client sends `{}` with every GET."""
    async with calling(a_world(an_event())) as ann:
        status, page = await ann.call("GET", "/v1/events?tzid=Etc/UTC", json={})
        assert (status, len(page["events"])) == (200, 1)


async def test_booleans_in_capitals_and_repeated_calendars_are_understood() -> None:
    """Row 6: `True`, and calendar_ids[] percent-encoded and repeated."""
    events = [an_event(1), an_event(2, calendar_id=TEAM), an_event(3, event_id="mine")]
    async with calling(a_world(*events)) as ann:
        path = "/v1/events?tzid=Etc%2FUTC&include_managed=True&include_deleted=False"
        _, page = await ann.call(
            "GET", f"{path}&calendar_ids%5B%5D=cal_work%401&calendar_ids[]={TEAM}"
        )
        assert uids(page["events"]) == [uid(1), uid(2), uid(3)]
        assert uids(await ann.read(**{"calendar_ids[]": TEAM})) == [uid(2)]


@pytest.mark.parametrize("code", [404, 422])
async def test_somebody_elses_calendar_is_unknown(code: int) -> None:
    """Row 23: another account's calendar cannot be read."""
    async with calling(a_world(unknown_calendar_read_code=code)) as ann:
        asked = {"tzid": "Etc/UTC", "calendar_ids[]": BOBS}
        assert (await ann.call("GET", "/v1/events", params=asked))[0] == code


async def test_last_modified_is_on_or_after_in_whole_seconds() -> None:
    """Row 15: an event changed within that very second is found."""
    clock = TurnedClock()
    async with calling(a_world(an_event(1), an_event(2), clock=clock, lag_s=0)) as ann:
        clock.advance(0.7)
        await ann.edit(a_body())
        assert uids(await ann.read(last_modified="2026-03-02T09:00:00Z")) == [uid(1)]
        assert await ann.read(last_modified="2026-03-02T09:00:01Z") == []


async def test_last_modified_finds_nothing_where_updated_stands_still() -> None:
    """Whether `updated` moves is unknown: a client must not rest on it."""
    async with calling(a_world(an_event(), lag_s=0, updated_moves=False)) as ann:
        await ann.edit(a_body())
        assert await ann.read(last_modified="2026-03-01T00:00:00Z") == []
        assert (await ann.read())[0]["start"] == "2026-03-03T10:00:00Z"


async def test_include_moved_shows_what_has_left_the_window() -> None:
    """Row 15: an event that was moved out is found by where it was."""
    async with calling(a_world(an_event(), lag_s=0)) as ann:
        away = {"start": "2026-04-03T10:00:00Z", "end": "2026-04-03T11:00:00Z"}
        await ann.edit(a_body(**away))
        window = {"from": "2026-03-03", "to": "2026-03-04"}
        assert await ann.read(**window) == []
        moved = await ann.read(**window, include_moved="true")
        assert [each["start"] for each in moved] == ["2026-04-03T10:00:00Z"]


async def test_geo_comes_only_when_asked_for() -> None:
    """lat and long are strings, and need include_geo."""
    async with calling(a_world(an_event(location=Location("Room", "1.5", "2.5")))) as ann:
        assert (await ann.read())[0]["location"] == {"description": "Room"}
        place = (await ann.read(include_geo="true"))[0]["location"]
        assert place == {"description": "Room", "lat": "1.5", "long": "2.5"}


async def test_unknown_keys_and_values_appear_where_wanted() -> None:
    """Row 22: answers may grow any day."""
    async with calling(a_world(an_event(number=3), extra_keys=True)) as ann:
        (shown,) = await ann.read()
        assert shown["added_later"]
        assert shown["status"] == "provisional"
        for path in ("/v1/calendars", "/v1/userinfo", "/v1/account", "/v1/profiles"):
            assert (await ann.call("GET", path))[1]["added_later"]


async def test_unknown_parameters_are_ignored() -> None:
    """Nothing is known of a reaction to them."""
    async with calling(a_world(an_event())) as ann:
        assert len(await ann.read(event_uid=uid(2), page_size="1")) == 1


async def test_the_index_agrees_with_a_plain_scan() -> None:
    """The sorted lists behind reads find what a look at every event would find."""
    events = [
        an_event(number, calendar_id=WORK, start=MONDAY + timedelta(hours=7 * number - 900))
        for number in range(300)
    ]
    sim = a_world(*events, rate=())
    async with calling(sim) as ann:
        for offset in range(-40, 60, 9):
            first, last = day(offset), day(offset + 4)
            expected = [
                each.event_uid
                for each in events
                if each.end >= _midnight(first) and each.start < _midnight(last)
            ]
            assert uids(await ann.read(**{"from": str(first), "to": str(last)})) == expected


def _midnight(on: date) -> Any:
    return MONDAY.replace(year=on.year, month=on.month, day=on.day, hour=0)
