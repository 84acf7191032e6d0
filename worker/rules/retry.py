"""What an answer means for the edit that got it: taken, ended, known not to be taken, or in doubt.

A pure verdict; the chunk's run stores it. Whatever waits, waits in SQL as a "retry at", never in a
sleep (DESIGN §3.3), and waiting is not failing: a 429 uses up no attempt (law 7). An edit in doubt
is never given up here: only a later read may tell that it was not taken (law 5).
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from msgspec import Struct

from worker.model import Code, EditState
from worker.rules.answers import (
    BATCH_REFUSED,
    NOT_SENT,
    AbortCampaign,
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Throttled,
)

#: Seconds; the longest backoff (features §3.5).
MAX_BACKOFF_S = 64.0


class Taken(Struct, frozen=True, kw_only=True):
    """The API has accepted the edit."""


class Ended(Struct, frozen=True, kw_only=True):
    """The edit ends in this state: the same bytes again would get the same answer."""

    state: EditState
    code: Code
    status: int
    error_key: str = ""


class NotTaken(Struct, frozen=True, kw_only=True):
    """The edit surely was not taken: back to pending, with so many attempts used up."""

    attempts: int
    status: int | None = None
    #: seconds until it is worth another run; 0: it may be sent again within this one
    after_s: float = 0.0


class Doubted(Struct, frozen=True, kw_only=True):
    """Nobody knows whether the edit was taken: read first, but not before `after_s` seconds."""

    after_s: float
    status: int | None
    why: str


Verdict: TypeAlias = Taken | Ended | NotTaken | Doubted


def next_try(answer: Answer, *, attempts: int, settle_s: float, roll: float) -> Verdict:
    """Return what follows an answer.

    `attempts` counts this one; `settle_s` is how long a read may still show the old state; `roll`
    is a random number in [0, 1).
    """
    match answer:
        case Accepted():
            return Taken()
        case Throttled():
            return NotTaken(attempts=attempts - 1, status=429)
        case Reauthenticate():
            # Once per run: a token that is refused again after a refresh loses the account.
            return NotTaken(attempts=attempts - 1, status=401)
        case ParkAccount(code=code, status=status) | SkipEdit(code=code, status=status):
            return Ended(state=EditState.SKIPPED, code=code, status=status)
        case AbortCampaign(code=reason, status=status):
            return _failed(status, reason)
        case RejectEdit(status=status, keys=keys):
            return _failed(status, ",".join(keys))
        case InDoubt():
            return _doubted(answer, attempts=attempts, settle_s=settle_s, roll=roll)
    assert_never(answer)


def may_repeat_at_once(answer: Answer) -> bool:
    """Tell whether the edit may be sent again in the same run: not taken, by no fault of its."""
    return isinstance(answer, Throttled | Reauthenticate) or is_refused_batch(answer)


def is_refused_batch(answer: Answer) -> bool:
    """Tell whether a whole batch was refused with nothing to say of any one edit."""
    return isinstance(answer, InDoubt) and answer.why == BATCH_REFUSED


def spared(attempts: int) -> int:
    """Return the attempts of an edit in doubt whose call failed since nobody answered.

    That was no fault of the edit's, however often. One attempt stays: the edit may have been taken.
    """
    return max(1, attempts - 1)


def backoff_s(attempts: int, *, roll: float) -> float:
    """Return the seconds to wait after so many attempts, spread evenly from zero to the cap."""
    # The exponent is bounded first: a power of a runaway counter would not fit into a float.
    return roll * min(MAX_BACKOFF_S, 2.0 ** min(max(attempts, 0), 6))


def _failed(status: int, error_key: str) -> Ended:
    return Ended(state=EditState.FAILED, code=Code.REJECTED, status=status, error_key=error_key)


def _doubted(answer: InDoubt, *, attempts: int, settle_s: float, roll: float) -> NotTaken | Doubted:
    status = answer.status or None
    if is_refused_batch(answer):
        # Refused for something in it: sent again one by one, each is told its own fault.
        return NotTaken(attempts=attempts - 1, status=status)
    wait_s = backoff_s(attempts, roll=roll)
    if answer.why == NOT_SENT:
        # No edit keeps a connection from being made; the breaker finds out who is there.
        return NotTaken(attempts=attempts - 1, status=status, after_s=wait_s)
    return Doubted(after_s=max(wait_s, settle_s), status=status, why=answer.why)
