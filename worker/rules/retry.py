"""When an edit is tried again: capped exponential backoff with full jitter, or not at all.

What comes out is a "retry at" in SQL, never a sleep (DESIGN §3.3). Waiting is not failing: a Snooze
uses up no attempt (law 7).
"""

from __future__ import annotations

import math
from typing import TypeAlias, assert_never

from msgspec import Struct

from worker.model import Code, EditState
from worker.rules.answers import (
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
#: Seconds; what a 429 without Retry-After waits: the current second (cronofy-api §7).
DEFAULT_RETRY_AFTER_S = 1.0
#: Seconds; a Retry-After beyond this is not believed.
MAX_RETRY_AFTER_S = 300.0
#: Seconds until a parked account is looked at again (features §3.5).
PARKED_S = 1800.0


class Again(Struct, frozen=True, kw_only=True):
    """Try again after `after_s` seconds; an attempt has been used up."""

    after_s: float


class Snooze(Struct, frozen=True, kw_only=True):
    """Go back to pending for `after_s` seconds; no attempt has been used up."""

    after_s: float


class GiveUp(Struct, frozen=True, kw_only=True):
    """End the edit in this state."""

    state: EditState
    code: Code


Retry: TypeAlias = Again | Snooze | GiveUp


def next_try(answer: Answer, *, attempts: int, max_attempts: int, roll: float) -> Retry:
    """Return when and whether an edit is tried again.

    `attempts` counts this one; `roll` is a random number in [0, 1). An edit of an aborted campaign
    snoozes: it goes back to pending, from where the campaign's end takes it along. Raises
    ValueError for an accepted edit, of which there is nothing to try again.
    """
    match answer:
        case Reauthenticate() | InDoubt():
            return _another(answer, attempts=attempts, max_attempts=max_attempts, roll=roll)
        case Throttled():
            return Snooze(after_s=clamped_retry_after_s(answer.retry_after_s))
        case ParkAccount() | AbortCampaign():
            return Snooze(after_s=PARKED_S)
        case SkipEdit():
            return GiveUp(state=EditState.SKIPPED, code=answer.code)
        case RejectEdit():
            return GiveUp(state=EditState.FAILED, code=Code.REJECTED)
        case Accepted():
            raise ValueError("an accepted edit is not tried again")
    assert_never(answer)


def backoff_s(attempts: int, *, roll: float) -> float:
    """Return the seconds to wait after so many attempts, spread evenly from zero to the cap."""
    # The exponent is bounded first: a power of a runaway counter would not fit into a float.
    return roll * min(MAX_BACKOFF_S, 2.0 ** min(max(attempts, 0), 6))


def clamped_retry_after_s(retry_after_s: float | None) -> float:
    """Return a Retry-After in seconds that is neither missing nor absurd."""
    if retry_after_s is None or math.isnan(retry_after_s):
        return DEFAULT_RETRY_AFTER_S
    return min(max(retry_after_s, DEFAULT_RETRY_AFTER_S), MAX_RETRY_AFTER_S)


def _another(
    answer: Reauthenticate | InDoubt, *, attempts: int, max_attempts: int, roll: float
) -> Again | GiveUp:
    refused = isinstance(answer, Reauthenticate)
    if attempts >= max_attempts:
        return GiveUp(state=EditState.FAILED, code=Code.UNAUTHORIZED if refused else Code.UPSTREAM)
    # A fresh token is worth nothing later that it is not worth now.
    return Again(after_s=0.0 if refused else backoff_s(attempts, roll=roll))
