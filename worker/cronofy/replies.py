"""Judges answers: reads raise our typed errors, writes become one Answer per edit.

This is the one place where the wire's refusals become ours. Error texts of the API are never kept,
only its keys, and those only when they look like keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice, repeat
from typing import assert_never

import msgspec
from msgspec import Raw

from worker.cronofy.retry_after import retry_after_s
from worker.cronofy.transport import Call, NoReply, Reply
from worker.cronofy.wire import Unreadable, WireBatch, WireErrors, WireItem, decoded
from worker.errors import (
    ApiError,
    CredentialsLocked,
    Gone,
    NotPermitted,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from worker.rules import BATCH_REFUSED, Accepted, Answer, InDoubt, in_doubt, judge

#: what an error key or a field's name may be made of; anything else could be anybody's text
_KEY = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}")
#: keys kept of one answer
_MOST_KEYS = 10

_batch = msgspec.json.Decoder(WireBatch)
_item = msgspec.json.Decoder(WireItem)
_errors = msgspec.json.Decoder(WireErrors)

SHORT_REPLY = "short_reply"
LONG_REPLY = "long_reply"
UNREADABLE = "unreadable"


class Hopeless(Unavailable):
    """An answer that another try will not better: a redirect, an oversize body, a paging loop."""


_TOO_MANY = 429

#: what a read raises; the rest goes by the hundreds
_ERRORS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    402: NotPermitted,
    403: NotPermitted,
    404: Gone,
    410: Gone,
    423: CredentialsLocked,
    # proxies that gave up waiting
    408: Unavailable,
    425: Unavailable,
    499: Unavailable,
}


def raise_unless_ok(call: Call, reply: Reply | NoReply) -> Reply:
    """Return the answer to a read when it is a success; raise the typed error otherwise."""
    if isinstance(reply, NoReply):
        kind = Hopeless if reply.final else Unavailable
        raise kind(f"{call} got no usable answer ({reply.why})")
    if is_success(reply.status):
        return reply
    raise _error(f"{call} was answered with {reply.status}", reply)


def _error(message: str, reply: Reply) -> ApiError:
    status = reply.status
    if status == _TOO_MANY:
        return RateLimited(message, retry_after_s=reply.retry_after_s)
    if status in _ERRORS:
        return _ERRORS[status](message, status=status)
    match status // 100:
        case 4:
            return Rejected(message, status=status, keys=error_keys(status, reply.body))
        case 5:
            return Unavailable(message, status=status)
        case _:
            return Hopeless(message, status=status)


def is_success(status: int) -> bool:
    """Tell whether a status promises that the call was done."""
    return status // 100 == 2  # noqa: PLR2004


def single_answer(reply: Reply | NoReply) -> Answer:
    """Judge the answer to the POST of one edit."""
    return _outer_answer(reply, sole=True)


def _outer_answer(reply: Reply | NoReply, *, sole: bool = False) -> Answer:
    match reply:
        case NoReply(why=why):
            return in_doubt(why, unanswered=True)
        case Reply(status=status, body=body, retry_after_s=seconds):
            keys = error_keys(status, body)
            answer = judge(status, retry_after_s=seconds, keys=keys, sole=sole)
        case _:
            assert_never(reply)
    if isinstance(answer, InDoubt) and answer.why != BATCH_REFUSED:
        return in_doubt(answer.why, status=status, unanswered=True)
    return answer


def batch_answers(reply: Reply | NoReply, *, count: int, now: datetime) -> list[Answer]:
    """Judge the answer to a batch: one Answer for each of its `count` edits, in their order.

    Only a 2xx has entries. A refusal of the whole as invalid or not found says nothing of any
    single edit, so it is doubt, not a verdict on all of them.
    """
    if isinstance(reply, NoReply) or not is_success(reply.status):
        return [_outer_answer(reply)] * count
    try:
        items = decoded(_batch, reply.body).batch
    except Unreadable:
        return [in_doubt(UNREADABLE, status=reply.status, unanswered=True)] * count
    if len(items) > count:
        return [in_doubt(LONG_REPLY, status=reply.status)] * count
    answers = [_item_answer(item, now=now) for item in items]
    return answers if len(items) == count else _short(answers, count=count)


def _short(answers: Sequence[Answer], *, count: int) -> list[Answer]:
    """Judge a reply that lacks entries, where nobody can tell which ones.

    An acceptance may be given to the wrong edit: reading back finds out. A refusal given to the
    wrong edit would be believed, so it is turned into doubt.
    """
    doubt = in_doubt(SHORT_REPLY)
    kept = (answer if isinstance(answer, Accepted) else doubt for answer in answers)
    return [*kept, *repeat(doubt, count - len(answers))]


def _item_answer(raw: Raw, *, now: datetime) -> Answer:
    try:
        item = decoded(_item, raw)
    except Unreadable:
        return in_doubt(UNREADABLE)
    seconds = _item_retry_after(item.headers, now=now)
    return judge(item.status, retry_after_s=seconds, keys=error_keys(item.status, item.data))


def _item_retry_after(headers: object, *, now: datetime) -> float | None:
    """Read an entry's own headers, which only some answers have (cronofy-api §6)."""
    if not isinstance(headers, dict):
        return None
    texts = {str(name).title(): str(value) for name, value in headers.items()}
    return retry_after_s(texts, now=now)


def error_keys(status: int, body: bytes | Raw) -> tuple[str, ...]:
    """Return `field:key` for each error of a refusal; () when it names none that look like keys."""
    if not 400 <= status < 500:  # noqa: PLR2004
        return ()
    try:
        errors = decoded(_errors, body).errors
    except Unreadable:
        return ()
    pairs = (
        f"{name}:{error.key}"
        for name, problems in errors.items()
        for error in problems
        if _KEY.fullmatch(name) and error.key is not None and _KEY.fullmatch(error.key)
    )
    return tuple(islice(pairs, _MOST_KEYS))
