"""The rules: pure functions from values to values, which is where being right is proven.

Time, randomness and ids come in as arguments; nothing here waits, reads or writes.
"""

from worker.rules.answers import (
    PLAN_FEATURE_MISSING,
    AbortCampaign,
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Throttled,
    in_doubt,
    judge,
)
from worker.rules.decide import (
    Change,
    Conflict,
    Decision,
    Refuse,
    Skip,
    Unchanged,
    Wanted,
    decide,
)
from worker.rules.images import FIELDS, differences, missing, normalised, same_when
from worker.rules.progress import Progress, format_seconds, remaining_calls
from worker.rules.reconcile import Reconciliation, SendAgain, Settled, Wait, reconcile
from worker.rules.retry import (
    Again,
    GiveUp,
    Retry,
    Snooze,
    backoff_s,
    clamped_retry_after_s,
    next_try,
)
from worker.rules.schedule import EndBeforeStart, KindMismatch, parse_moment, rescheduled
from worker.rules.shift import NotForAllDay, format_shift, moved, parse_shift
from worker.rules.states import adds_up, check_campaign, check_edit, final_campaign_state
from worker.rules.verify import Mismatch, NotYet, Proof, Proven, Unproven, judge_proof
from worker.rules.windows import (
    ReadWindow,
    is_in_sight,
    is_readable,
    plan_windows,
    readable_window,
)
from worker.rules.zones import Ambiguous, find_zone

__all__ = [
    "FIELDS",
    "PLAN_FEATURE_MISSING",
    "AbortCampaign",
    "Accepted",
    "Again",
    "Ambiguous",
    "Answer",
    "Change",
    "Conflict",
    "Decision",
    "EndBeforeStart",
    "GiveUp",
    "InDoubt",
    "KindMismatch",
    "Mismatch",
    "NotForAllDay",
    "NotYet",
    "ParkAccount",
    "Progress",
    "Proof",
    "Proven",
    "ReadWindow",
    "Reauthenticate",
    "Reconciliation",
    "Refuse",
    "RejectEdit",
    "Retry",
    "SendAgain",
    "Settled",
    "Skip",
    "SkipEdit",
    "Snooze",
    "Throttled",
    "Unchanged",
    "Unproven",
    "Wait",
    "Wanted",
    "adds_up",
    "backoff_s",
    "check_campaign",
    "check_edit",
    "clamped_retry_after_s",
    "decide",
    "differences",
    "final_campaign_state",
    "find_zone",
    "format_seconds",
    "format_shift",
    "in_doubt",
    "is_in_sight",
    "is_readable",
    "judge",
    "judge_proof",
    "missing",
    "moved",
    "next_try",
    "normalised",
    "parse_moment",
    "parse_shift",
    "plan_windows",
    "readable_window",
    "reconcile",
    "remaining_calls",
    "rescheduled",
    "same_when",
]
