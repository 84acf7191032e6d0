"""The one table from the API's statuses to what happens next (cronofy-api §8, features §3.5).

The client asks it for each request and for each item of a batch; nobody else looks at a status.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from worker.model import Code

#: Why a campaign stops at 402.
PLAN_FEATURE_MISSING = "plan_feature_missing"

#: Why a write is in doubt: it never left; the whole batch was refused for something in it.
NOT_SENT = "not_sent"
BATCH_REFUSED = "batch_refused"

_TAKEN = frozenset(range(200, 300))
#: Without 408, 425 and 499: proxies that gave up waiting say so, and the write may have gone on.
_REFUSED = frozenset(range(400, 500)) - {408, 425, 499}


class Accepted(Struct, frozen=True, kw_only=True):
    """Taken, which is a promise and not yet a proof (law 6)."""


class Throttled(Struct, frozen=True, kw_only=True):
    """Over the limit: not taken, and everybody waits; None means as long as seems right."""

    retry_after_s: float | None = None


class Reauthenticate(Struct, frozen=True, kw_only=True):
    """The access token is not accepted: not taken; refresh it once."""


class ParkAccount(Struct, frozen=True, kw_only=True):
    """The account cannot be written to for now; others go on."""

    code: Code
    status: int


class AbortCampaign(Struct, frozen=True, kw_only=True):
    """No edit of the campaign can succeed; `code` is the campaign's reason, not an edit's."""

    code: str
    status: int


class SkipEdit(Struct, frozen=True, kw_only=True):
    """The API says that this event must not, or cannot, be touched."""

    code: Code
    status: int


class RejectEdit(Struct, frozen=True, kw_only=True):
    """The edit itself is refused; `keys` are the API's error keys, never its texts."""

    status: int
    keys: tuple[str, ...] = ()


class InDoubt(Struct, frozen=True, kw_only=True):
    """The write may have been taken: read first (law 5). `status` is 0 without an answer."""

    status: int
    why: str
    #: the call as a whole got no answer that can be used: perhaps nobody answers at all
    unanswered: bool = False


Answer: TypeAlias = (
    Accepted
    | Throttled
    | Reauthenticate
    | ParkAccount
    | AbortCampaign
    | SkipEdit
    | RejectEdit
    | InDoubt
)


def judge(
    status: int,
    *,
    retry_after_s: float | None = None,
    keys: tuple[str, ...] = (),
    sole: bool = True,
) -> Answer:
    """Return what a status means for an edit.

    `sole` is False for the outer status of a request that carries several edits: a refusal then
    tells nothing about any one of them, and each is in doubt, never failed for its neighbours'
    sake.
    """
    if status in _TAKEN:
        return Accepted()
    if status not in _REFUSED:
        return in_doubt("status" if status else "no_answer", status=status)
    wide = _for_everybody(status, retry_after_s)
    if wide is not None:
        return wide
    return _for_one(status, keys) if sole else in_doubt(BATCH_REFUSED, status=status)


def in_doubt(why: str, *, status: int = 0, unanswered: bool = False) -> InDoubt:
    """Return the answer for a write of unknown effect; `why` is a short code for the audit."""
    return InDoubt(status=status, why=why, unanswered=unanswered)


def is_unanswered(answer: Answer) -> bool:
    """Tell whether an edit has no answer since its whole call has none."""
    return isinstance(answer, InDoubt) and answer.unanswered


def _for_everybody(status: int, retry_after_s: float | None) -> Answer | None:
    """Return what concerns more than the edit that happened to get the answer."""
    match status:
        case 401:
            return Reauthenticate()
        case 402:
            return AbortCampaign(code=PLAN_FEATURE_MISSING, status=status)
        case 423:
            return ParkAccount(code=Code.ACCOUNT_LOCKED, status=status)
        case 429:
            return Throttled(retry_after_s=retry_after_s)
        case _:
            return None


def _for_one(status: int, keys: tuple[str, ...]) -> SkipEdit | RejectEdit:
    match status:
        case 403:
            return SkipEdit(code=Code.PERMISSION_MISSING, status=status)
        case 404 | 410:
            return SkipEdit(code=Code.NOT_FOUND, status=status)
        case _:
            return RejectEdit(status=status, keys=keys)
