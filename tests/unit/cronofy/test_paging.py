"""Reading a window page by page, without being led away or round in circles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.builders import NOW, TODAY
from tests.unit.cronofy.samples import CALENDAR, key, page, wire_event
from tests.unit.cronofy.scripted import WINDOW, Request, Scene, Scripted, reply, scene
from worker.cronofy import Hopeless
from worker.cronofy.paging import ReadQuery
from worker.errors import Gone, Unavailable
from worker.model import Event, EventKey
from worker.rules import ReadWindow, readable_window


def leading_to(link: str, *events: dict[str, Any]) -> Scripted:
    """Answer with a page whose next one is `link`; {home} stands for the server's address."""

    def answer(_: Request, home: str) -> bytes:
        return reply(200, page(*events, next_page=link.replace("{home}", home)))

    return answer


def last(*events: dict[str, Any]) -> bytes:
    """Answer with the last page."""
    return reply(200, page(*events))


async def read(at: Scene, **options: Any) -> dict[EventKey, Event]:
    """Read a window, all events unless told otherwise."""
    return await at.client.read_events(
        at.access, WINDOW, **{"wanted": None, "calls": at.calls} | options
    )


def query_of(request: Request) -> list[tuple[str, str]]:
    """Return what was asked, in order."""
    return parse_qsl(request.target.partition("?")[2])


async def test_a_window_is_asked_for_as_the_api_wants_it() -> None:
    """Days are inclusive here and end before `to` there; nothing is hidden."""
    async with scene(last()) as at:
        await read(at, calendar_ids=[CALENDAR, "cal_2"])
        assert query_of(at.api.requests[0]) == [
            ("tzid", "Etc/UTC"),
            ("from", "2026-06-01"),
            ("to", "2026-06-02"),
            ("localized_times", "true"),
            ("include_managed", "true"),
            ("include_deleted", "true"),
            ("calendar_ids[]", CALENDAR),
            ("calendar_ids[]", "cal_2"),
        ]


async def test_switches_reach_the_query() -> None:
    """Verification asks for what changed and for what moved away."""
    since = datetime(2026, 6, 1, 10, 0, 0, 500, tzinfo=UTC)
    async with scene(last()) as at:
        await read(
            at,
            last_modified=since,
            include_moved=True,
            include_deleted=False,
            include_managed=False,
        )
        asked = dict(query_of(at.api.requests[0]))
    assert asked["last_modified"] == "2026-06-01T10:00:00Z"
    assert asked["include_moved"] == "true"
    assert {"include_deleted", "include_managed"}.isdisjoint(asked)


@pytest.mark.parametrize(
    ("now", "first", "end"),
    [
        (NOW, TODAY - timedelta(days=42), TODAY + timedelta(days=201)),
        (NOW + timedelta(days=1), TODAY - timedelta(days=41), TODAY + timedelta(days=202)),
        (
            datetime(2026, 6, 1, 23, 59, 30, tzinfo=UTC),
            TODAY - timedelta(days=41),
            TODAY + timedelta(days=202),
        ),
    ],
)
def test_a_window_is_cut_to_what_can_be_read_now(now: datetime, first: date, end: date) -> None:
    """Midnight between planning and asking must not make the API refuse the read."""
    url = ReadQuery(window=readable_window(TODAY)).url("http://h", now=now)
    asked = dict(parse_qsl((url or "").partition("?")[2]))
    assert asked["from"] == first.isoformat()
    assert asked["to"] <= end.isoformat()


async def test_a_window_beyond_sight_costs_no_call() -> None:
    """Nothing could be found there."""
    async with scene(last(wire_event())) as at:
        past = ReadWindow(first=date(2020, 1, 1), last=date(2020, 1, 2))
        found = await at.client.read_events(at.access, past, wanted=None, calls=at.calls)
        assert (found, at.calls.total) == ({}, 0)


async def test_very_many_calendars_are_left_out_of_the_query_but_not_of_the_answer() -> None:
    """No server takes a URL of any length."""
    stranger = wire_event(2, calendar_id="cal_stranger")
    async with scene(last(wire_event(1), stranger)) as at:
        found = await read(at, calendar_ids=[CALENDAR, *(f"cal_{n}" for n in range(200))])
        assert list(found) == [key(1)]
        assert len(at.api.requests[0].target) < 1000


async def test_pages_are_followed_to_the_last() -> None:
    """The link is taken as it is, with nothing but the token."""
    async with scene(
        leading_to("{home}/v1/events/pages/a%2Fb%3D?x=%C3%BC", wire_event(1)),
        leading_to("{home}/v1/events/pages/c", wire_event(2)),
        last(wire_event(3)),
    ) as at:
        assert list(await read(at)) == [key(1), key(2), key(3)]
        assert [request.target for request in at.api.requests[1:]] == [
            "/v1/events/pages/a%2Fb%3D?x=%C3%BC",
            "/v1/events/pages/c",
        ]
        assert at.calls.calls == {("/v1/events", 200): 1, ("/v1/events/pages/{page}", 200): 2}


async def test_only_wanted_events_are_kept() -> None:
    """A window holds much more than the edits are about."""
    async with scene(last(*(wire_event(number) for number in range(1, 20)))) as at:
        found = await read(at, wanted={key(3), key(7), key(99)})
        assert set(found) == {key(3), key(7)}


async def test_reading_stops_when_everything_wanted_is_found() -> None:
    """Calls are what the limit counts."""
    async with scene(
        leading_to("{home}/v1/events/pages/2", wire_event(1), wire_event(2)), last()
    ) as at:
        assert set(await read(at, wanted={key(1), key(2)})) == {key(1), key(2)}
        assert at.calls.total == 1


async def test_of_an_event_on_two_pages_the_later_one_counts() -> None:
    """Pages drift while they are read (§3.2)."""
    async with scene(
        leading_to("{home}/v1/events/pages/2", wire_event(1, summary="before")),
        last(wire_event(1, summary="after")),
    ) as at:
        found = await read(at)
        assert [event.image.summary for event in found.values()] == ["after"]


async def test_a_broken_event_is_left_out_and_counted() -> None:
    """Both kinds: of a wrong shape, and of times that make no sense."""
    broken = wire_event(2, recurring="yes"), wire_event(3, start="soon")
    async with scene(last(wire_event(1), *broken)) as at:
        assert list(await read(at)) == [key(1)]
        assert at.calls.unreadable == 2


async def test_an_event_without_a_uid_is_passed_over() -> None:
    """It cannot be edited by it, so nobody can mean it."""
    async with scene(last(wire_event(1), wire_event(2, event_uid=""))) as at:
        assert list(await read(at)) == [key(1)]


@pytest.mark.parametrize(
    "link",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/v1/events/pages/2",
        "https://api.cronofy.com/v1/events/pages/2",
        "//evil.example/v1/events/pages/2",
        "/v1/events/pages/2",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/",
        "http://[::1",
        "http://a\\@b/",
        "javascript:alert(1)",
        "\x00",
    ],
)
async def test_a_link_to_elsewhere_is_not_followed(link: str) -> None:
    """The token would go along (SSRF)."""
    async with scene(leading_to(link, wire_event(1)), last()) as at:
        with pytest.raises(Hopeless, match="another host") as caught:
            await read(at)
        assert len(at.api.requests) == 1
        assert link not in str(caught.value)


async def test_a_link_that_names_a_user_is_not_followed() -> None:
    """Even at home, a link carries no credentials."""
    async with scene(leading_to("http://u:p@{home}/v1/events/pages/2"), last()) as at:
        at.api.script[0] = lambda _, home: reply(
            200, page(next_page=home.replace("http://", "http://u:p@") + "/v1/events/pages/2")
        )
        with pytest.raises(Hopeless, match="another host"):
            await read(at)


@pytest.mark.row(14)
async def test_pages_that_go_round_in_a_circle_end() -> None:
    """A page token that comes again would be followed for ever."""
    async with scene(
        leading_to("{home}/v1/events/pages/2"),
        leading_to("{home}/v1/events/pages/3"),
        leading_to("{home}/v1/events/pages/2"),
    ) as at:
        with pytest.raises(Hopeless, match="circle"):
            await read(at)
        assert at.calls.total == 3


@pytest.mark.row(14)
async def test_endless_pages_end() -> None:
    """New tokens for ever are met by a cap."""

    def ever_on(request: Request, home: str) -> bytes:
        return reply(200, page(next_page=f"{home}/v1/events/pages/{len(request.target)}x"))

    def answer(request: Request, home: str) -> bytes:
        return reply(200, page(next_page=f"{home}{request.path}x"))

    async with scene(ever_on, answer, max_pages=5) as at:
        with pytest.raises(Hopeless, match="more than 5 pages"):
            await read(at)
        assert at.calls.total == 5


async def test_a_read_of_exactly_the_cap_is_complete() -> None:
    """The cap cuts nothing that has an end."""
    links = [leading_to(f"{{home}}/v1/events/pages/{n}") for n in range(4)]
    async with scene(*links, last(wire_event(1)), max_pages=5) as at:
        assert list(await read(at)) == [key(1)]


async def test_a_page_that_has_died_starts_the_read_again() -> None:
    """Page tokens die (§3.2); what was found before is read anew."""
    first = leading_to("{home}/v1/events/pages/2", wire_event(1))
    async with scene(first, reply(404), last(wire_event(2))) as at:
        assert list(await read(at)) == [key(2)]


async def test_pages_that_keep_dying_end_the_read() -> None:
    """It is not the caller's calendar that is gone, so the error says unavailable."""
    first = leading_to("{home}/v1/events/pages/2", wire_event(1))
    async with scene(first, reply(404), first, reply(404), first, reply(410)) as at:
        with pytest.raises(Unavailable) as caught:
            await read(at)
        assert not isinstance(caught.value, Gone)
        assert at.calls.total == 6


async def test_a_first_page_that_is_not_found_is_gone() -> None:
    """A calendar of somebody else, say; asking again would not help."""
    async with scene(reply(404)) as at:
        with pytest.raises(Gone):
            await read(at)
        assert at.calls.total == 1
