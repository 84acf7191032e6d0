"""What each answer to a write means, alone and inside a batch: the table of cronofy-api §8."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import NOW
from tests.unit.cronofy.samples import writes
from tests.unit.cronofy.scripted import NotingPace, Scene, reply, scene
from worker.cronofy import LONG_REPLY, SHORT_REPLY, UNREADABLE
from worker.cronofy.replies import batch_answers, error_keys
from worker.cronofy.transport import Reply
from worker.errors import LimiterUnavailable
from worker.model import Code
from worker.rules import (
    AbortCampaign,
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Throttled,
    judge,
)

INVALID = {"errors": {"summary": [{"key": "errors.required", "description": "secret words"}]}}
KEYS = ("summary:errors.required",)

#: status -> what it means for one edit: its own POST, or its entry in a batch
SOLE: dict[int, Answer] = {
    200: Accepted(),
    202: Accepted(),
    204: Accepted(),
    400: RejectEdit(status=400, keys=KEYS),
    401: Reauthenticate(),
    402: AbortCampaign(code="plan_feature_missing", status=402),
    403: SkipEdit(code=Code.PERMISSION_MISSING, status=403),
    404: SkipEdit(code=Code.NOT_FOUND, status=404),
    408: InDoubt(status=408, why="status", unanswered=True),
    410: SkipEdit(code=Code.NOT_FOUND, status=410),
    418: RejectEdit(status=418, keys=KEYS),
    422: RejectEdit(status=422, keys=KEYS),
    423: ParkAccount(code=Code.ACCOUNT_LOCKED, status=423),
    429: Throttled(retry_after_s=None),
    500: InDoubt(status=500, why="status", unanswered=True),
    502: InDoubt(status=502, why="status", unanswered=True),
    503: InDoubt(status=503, why="status", unanswered=True),
    504: InDoubt(status=504, why="status", unanswered=True),
    301: InDoubt(status=301, why="status", unanswered=True),
    302: InDoubt(status=302, why="status", unanswered=True),
    307: InDoubt(status=307, why="status", unanswered=True),
}
#: what a refusal of a whole batch means for each of its edits, where that differs
OUTER: dict[int, Answer] = {
    status: InDoubt(status=status, why="batch_refused") for status in (400, 403, 404, 410, 418, 422)
}


async def sent(at: Scene, count: int) -> list[Answer]:
    """Send so many edits in one call."""
    return await at.client.write_batch(at.access, writes(count), calls=at.calls)


@pytest.mark.parametrize("status", SOLE)
async def test_every_status_of_a_single_edit_has_its_meaning(status: int) -> None:
    """One edit is posted by itself, so its status speaks of it."""
    body: Any = b"" if status == 204 else INVALID
    async with scene(reply(status, body)) as at:
        assert await sent(at, 1) == [SOLE[status]]
        assert at.calls.calls == {("/v1/calendars/{calendar_id}/events", status): 1}
        assert len(at.api.requests) == 1


@pytest.mark.parametrize("status", SOLE)
async def test_every_status_of_a_batch_s_entry_has_its_meaning(status: int) -> None:
    """Each entry is judged by itself, wherever it stands; its batch as a whole was answered."""
    expected = SOLE[status]
    if isinstance(expected, InDoubt):
        expected = replace(expected, unanswered=False)
    entries = [{"status": 202}, {"status": status, "data": INVALID}, {"status": 202}]
    async with scene(reply(207, {"batch": entries})) as at:
        assert await sent(at, 3) == [Accepted(), expected, Accepted()]
        assert at.calls.calls == {("/v1/batch", 207): 1}


@pytest.mark.parametrize("status", [status for status in SOLE if status >= 300])
async def test_every_status_of_a_whole_batch_has_its_meaning(status: int) -> None:
    """A refusal of the whole fails no edit for its neighbours' sake."""
    async with scene(reply(status, INVALID)) as at:
        assert await sent(at, 3) == [OUTER.get(status, SOLE[status])] * 3
        assert len(at.api.requests) == 1


@pytest.mark.parametrize("count", [1, 2])
async def test_a_refused_write_pauses_everybody_and_is_not_repeated(count: int) -> None:
    """The limit is one for all (law 7), and a write leaves once."""
    async with scene(reply(429, retry_after="7")) as at:
        assert await sent(at, count) == [Throttled(retry_after_s=7)] * count
        assert at.pace.pauses == [7]
        assert len(at.api.requests) == 1


async def test_a_refusal_inside_a_batch_pauses_everybody_too() -> None:
    """It is easy to overlook in an answer that is a success as a whole (features §2, 17)."""
    entries = [{"status": 202}, {"status": 429, "headers": {"retry-after": 9}}, {"status": 429}]
    async with scene(reply(207, {"batch": entries})) as at:
        answers = await sent(at, 3)
        assert answers == [Accepted(), Throttled(retry_after_s=9), Throttled()]
        assert at.pace.pauses == [9]


async def test_an_answer_in_hand_survives_a_limiter_that_is_gone() -> None:
    """The pause cannot be set, but what the API said is kept."""
    pace = NotingPace()
    async with scene(reply(429), pace=pace) as at:
        grant = pace.acquire

        async def then_fail(weight: int = 1, **options: Any) -> float:
            waited = await grant(weight, **options)
            pace.unreachable = True
            return waited

        pace.acquire = then_fail  # type: ignore[method-assign]
        assert await sent(at, 1) == [Throttled()]


async def test_without_a_limiter_nothing_is_sent() -> None:
    """Nothing leaves unlimited."""
    pace = NotingPace()
    pace.unreachable = True
    async with scene(reply(202), pace=pace) as at:
        with pytest.raises(LimiterUnavailable):
            await sent(at, 2)
        assert at.api.requests == []
        assert at.calls.total == 0


async def test_a_short_reply_keeps_nothing_but_acceptances() -> None:
    """Nobody can tell which entry is missing, so no refusal may be final."""
    entries = [{"status": 202}, {"status": 422}, {"status": 404}]
    async with scene(reply(207, {"batch": entries})) as at:
        doubt = InDoubt(status=0, why=SHORT_REPLY)
        assert await sent(at, 4) == [Accepted(), doubt, doubt, doubt]


async def test_a_long_reply_is_believed_in_nothing() -> None:
    """More answers than edits: they are answers to something else."""
    async with scene(reply(207, {"batch": [{"status": 202}] * 4})) as at:
        assert await sent(at, 3) == [InDoubt(status=207, why=LONG_REPLY)] * 3


@pytest.mark.parametrize(
    "entry",
    [
        {},
        None,
        [],
        202,
        "202",
        {"status": "202"},
        {"status": 202.5},
        {"status": True},
        {"status": None},
        {"status": 0},
        {"status": -202},
        {"status": 10**30},
    ],
    ids=repr,
)
async def test_an_entry_without_a_real_status_is_in_doubt(entry: Any) -> None:
    """Its neighbours keep their answers."""
    async with scene(reply(207, {"batch": [{"status": 202}, entry]})) as at:
        assert await sent(at, 2) == [Accepted(), InDoubt(status=0, why=UNREADABLE)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b'{"batch": null}',
        b'{"batch": {"0": {"status": 202}}}',
        b'{"batch": [{"status": 202}, {"sta',
        b"<html>Please sign in</html>",
        b"\xff\xfe\x00",
        b'{"batch": ' + b"[" * 50_000,
    ],
)
async def test_garbage_leaves_all_in_doubt(body: bytes) -> None:
    """The writes may have been taken, whatever this is."""
    async with scene(reply(207, body)) as at:
        assert await sent(at, 3) == [InDoubt(status=207, why=UNREADABLE, unanswered=True)] * 3


@given(body=st.binary(max_size=200), status=st.integers(100, 999), count=st.integers(2, 50))
def test_there_is_one_answer_for_each_edit_whatever_comes_back(
    body: bytes, status: int, count: int
) -> None:
    """No reply loses an edit, and none crashes the reader."""
    answers = batch_answers(Reply(status=status, body=body), count=count, now=NOW)
    assert len(answers) == count


@given(
    statuses=st.lists(st.integers(100, 999), max_size=12),
    count=st.integers(2, 12),
)
def test_answers_stand_where_their_edits_stand(statuses: list[int], count: int) -> None:
    """A complete reply is read entry by entry; an incomplete one never ends an edit."""
    body = json.dumps({"batch": [{"status": status} for status in statuses]}).encode()
    answers = batch_answers(Reply(status=207, body=body), count=count, now=NOW)
    assert len(answers) == count
    if len(statuses) == count:
        assert answers == [judge(status) for status in statuses]
    else:
        assert all(isinstance(answer, Accepted | InDoubt) for answer in answers)


@pytest.mark.parametrize(
    ("errors", "keys"),
    [
        (INVALID["errors"], KEYS),
        (
            {"location.description": [{"key": "errors.too_long"}], "attendees.invite[0]": []},
            ("location.description:errors.too_long",),
        ),
        ({"summary": [{"key": "Lunch with Bob"}], "Lunch with Bob": [{"key": "errors.x"}]}, ()),
        ({"summary": [{"key": None}, {}]}, ()),
        ({"summary": "errors.required"}, ()),
        ({f"f{i}": [{"key": "errors.x"}] for i in range(50)}, None),
    ],
)
def test_only_what_looks_like_a_key_is_kept_of_a_refusal(
    errors: Any, keys: tuple[str, ...] | None
) -> None:
    """The API's sentences may quote the event (law 9)."""
    found = error_keys(422, json.dumps({"errors": errors}).encode())
    assert found == keys if keys is not None else len(found) == 10


async def test_an_empty_batch_asks_nothing() -> None:
    """There is nothing to be granted or sent."""
    async with scene(reply(500)) as at:
        assert await sent(at, 0) == []
        assert (at.api.requests, at.pace.weights) == ([], [])


@pytest.mark.parametrize(
    ("counts_as", "count", "weight"),
    [("each", 1, 1), ("each", 50, 50), ("one", 1, 1), ("one", 50, 1)],
)
async def test_a_batch_weighs_what_the_operator_says(
    counts_as: str, count: int, weight: int
) -> None:
    """Whether entries count one by one is not known, so both readings are kept (§6)."""
    entries = {"batch": [{"status": 202}] * count}
    async with scene(reply(207, entries), batch_counts_as=counts_as) as at:
        await sent(at, count)
        assert at.pace.weights == [weight]


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (lambda: writes(51), "takes 50"),
        (lambda: writes(2) + writes(1), "two edits of one event"),
        (lambda: writes(36), "grants at once"),
    ],
)
async def test_what_must_not_be_sent_together_is_refused(
    batch: Callable[[], list[Any]], says: str
) -> None:
    """These are mistakes of the caller, found before anything leaves."""
    async with scene(reply(207), pace=NotingPace(max_weight=35)) as at:
        with pytest.raises(ValueError, match=says):
            await at.client.write_batch(at.access, batch(), calls=at.calls)
        assert at.api.requests == []
