"""The states of campaigns, chunks, edits and accounts, and every arrow between them."""

from __future__ import annotations

from enum import StrEnum


class EditState(StrEnum):
    """The states of an edit; those after ACCEPTED are final."""

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"
    NOT_ATTEMPTED = "not_attempted"


class CampaignState(StrEnum):
    """The states of a campaign; why it waits is a reason, never a state (DESIGN §6)."""

    DRAFT = "draft"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class ChunkState(StrEnum):
    """The states of a chunk.

    PENDING waits for a worker, RUNNING is leased, VERIFYING waits to be read back, DONE has only
    final edits.
    """

    PENDING = "pending"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"


class AccountStatus(StrEnum):
    """PARKED comes back by a check or by itself, LOST needs a new authorization."""

    ACTIVE = "active"
    PARKED = "parked"
    LOST = "lost"


_E = EditState

_NOWHERE: frozenset[EditState] = frozenset()

#: Every arrow an edit may take, with when it does. Whatever is not here is refused by the store;
#: states that are not named have no arrows.
TRANSITIONS: dict[EditState, frozenset[EditState]] = dict.fromkeys(EditState, _NOWHERE) | {
    EditState.PENDING: frozenset(
        {
            _E.SENDING,  # the intent is stored; the write may leave from now on
            _E.VERIFIED,  # a rejected write was taken after all: a later read shows the target
            _E.UNCHANGED,  # the event already is what was asked
            _E.SKIPPED,  # a rule or the API says it must not be touched
            _E.CONFLICT,  # it is neither what it was nor what it shall be
            _E.FAILED,  # refused, or attempts used up
            _E.NOT_ATTEMPTED,  # the campaign ended before its turn
        }
    ),
    EditState.SENDING: frozenset(
        {
            _E.ACCEPTED,  # 202: a promise, not a proof
            _E.PENDING,  # known not to be taken: 429, 401, 503 with the before-image still there
            _E.VERIFIED,  # in doubt, then read: the target is there
            _E.SKIPPED,  # the answer says gone, locked or not permitted
            _E.CONFLICT,  # in doubt, then read: something else is there
            _E.FAILED,  # refused, or attempts used up
            _E.UNVERIFIED,  # in doubt to the end, and no read could settle it
        }
    ),
    EditState.ACCEPTED: frozenset(
        {
            _E.VERIFIED,  # read back: the target is there
            _E.MISMATCH,  # read back: it is not, and the time for it has passed
            _E.UNVERIFIED,  # nothing could be read back in time, or the campaign asked for no proof
        }
    ),
}

#: States with nothing left to do; each input line ends in exactly one of them (law 2).
FINAL = frozenset(state for state, arrows in TRANSITIONS.items() if not arrows)

_C = CampaignState
_CANCEL = frozenset({_C.CANCELLING, _C.FAILED})
_DONE = frozenset({_C.COMPLETED, _C.COMPLETED_WITH_ERRORS})

CAMPAIGN_TRANSITIONS: dict[CampaignState, frozenset[CampaignState]] = {
    _C.DRAFT: frozenset({_C.PLANNING, _C.RUNNING}) | _CANCEL,
    # RUNNING: approved beforehand, as a pipeline's are; completed: there is nothing to change
    _C.PLANNING: frozenset({_C.AWAITING_APPROVAL, _C.SCHEDULED, _C.RUNNING}) | _DONE | _CANCEL,
    _C.AWAITING_APPROVAL: frozenset({_C.SCHEDULED, _C.RUNNING}) | _CANCEL,
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.PAUSED}) | _DONE | _CANCEL,
    # SCHEDULED: outside of its hours
    _C.RUNNING: frozenset({_C.PAUSED, _C.SCHEDULED, _C.VERIFYING}) | _DONE | _CANCEL,
    # completed: what was on its way was all that was left
    _C.PAUSED: frozenset({_C.RUNNING, _C.SCHEDULED}) | _DONE | _CANCEL,
    # back to RUNNING: a rescued chunk still had edits in doubt, which must be settled first;
    # PAUSED: so that these wait as well
    _C.VERIFYING: frozenset({_C.RUNNING, _C.PAUSED}) | _DONE | _CANCEL,
    # FAILED: it was calpatch itself that stopped, for one of ABORT_REASONS; EXPIRED: nobody has
    # approved the plan in time
    _C.CANCELLING: frozenset({_C.CANCELLED, _C.FAILED, _C.EXPIRED}),
    _C.COMPLETED: frozenset(),
    _C.COMPLETED_WITH_ERRORS: frozenset(),
    _C.CANCELLED: frozenset(),
    _C.FAILED: frozenset(),
    _C.EXPIRED: frozenset(),
}

#: Why calpatch itself stops a campaign; the edits that had no turn end as not_attempted.
ABORT_REASONS = frozenset({"plan_feature_missing"})

#: Why a campaign is stopped, at the beginning of its state's reason, by the outcome's code.
PLAN_EXPIRED, PLAN_REJECTED, DEADLINE_PASSED = "plan_expired", "plan_rejected", "deadline_passed"

ENDED = frozenset(state for state, arrows in CAMPAIGN_TRANSITIONS.items() if not arrows)
