"""Why an edit ended as it did, with a sentence for each."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why an edit ended as it did; `CODE_HELP` has a sentence for each."""

    # verified
    VERIFIED = "verified"
    # unchanged
    ALREADY_AS_ASKED = "already_as_asked"
    # skipped: by rule
    RECURRING = "recurring"
    EVENT_LOCKED = "event_locked"
    MANAGED_EVENT = "managed_event"
    NOT_FOUND = "not_found"
    DELETED = "deleted"
    CALENDAR_READ_ONLY = "calendar_read_only"
    PERMISSION_MISSING = "permission_missing"
    ACCOUNT_LOCKED = "account_locked"
    ALL_DAY_SHIFT = "all_day_shift"
    WOULD_TRUNCATE = "would_truncate"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    ALREADY_IN_CAMPAIGN = "already_in_campaign"
    DST_AMBIGUOUS = "dst_ambiguous"
    PAST_EVENT = "past_event"
    OUTSIDE_WINDOW = "outside_window"
    SUMMARY_MISSING = "summary_missing"
    STARTS_TOO_SOON = "starts_too_soon"
    EXTERNAL_ATTENDEES = "external_attendees"
    PRIVATE_EVENT = "private_event"
    DENY_LISTED = "deny_listed"
    # conflict
    CHANGED_ELSEWHERE = "changed_elsewhere"
    EXPECTATION_FAILED = "expectation_failed"
    # failed
    END_BEFORE_START = "end_before_start"
    REJECTED = "rejected"
    UPSTREAM = "upstream"
    ACCOUNT_LOST = "account_lost"
    UNAUTHORIZED = "unauthorized"
    POISON = "poison"
    IMAGE_UNREADABLE = "image_unreadable"
    NOTHING_TO_UNDO = "nothing_to_undo"
    # mismatch
    NO_EFFECT = "no_effect"
    DIFFERS = "differs"
    SIDE_EFFECT = "side_effect"
    CONFERENCE_LOST = "side_effect_conference_lost"
    # unverified
    NOT_READ_BACK = "not_read_back"
    GONE_SINCE = "gone_since"
    OUT_OF_SIGHT = "out_of_sight"
    NO_PROOF_ASKED = "no_proof_asked"
    # not attempted
    CAMPAIGN_FAILED = "campaign_failed"
    CAMPAIGN_CANCELLED = "campaign_cancelled"
    BEYOND_LIMIT = "beyond_limit"
    PLAN_EXPIRED = "plan_expired"
    PLAN_REJECTED = "plan_rejected"
    DEADLINE_PASSED = "deadline_passed"


CODE_HELP: dict[Code, str] = {
    Code.VERIFIED: "The edit was accepted, and a later read showed it.",
    Code.ALREADY_AS_ASKED: "The event already was what the edit asks; nothing was sent.",
    Code.RECURRING: "The event is part of a series; Cronofy does not edit those.",
    Code.EVENT_LOCKED: (
        "The event's options do not allow updates (often: somebody else organizes it)."
    ),
    Code.MANAGED_EVENT: "The application made this event itself; edit it by its event_id instead.",
    Code.NOT_FOUND: "No such event was found in this calendar within the readable window.",
    Code.DELETED: "The event has been deleted; it cannot be brought back.",
    Code.CALENDAR_READ_ONLY: "The calendar is read-only or has been deleted.",
    Code.PERMISSION_MISSING: (
        "The calendar has not been granted unrestricted access; ask its owner to grant it."
    ),
    Code.ACCOUNT_LOCKED: (
        "Cronofy has no live credentials for this account; its owner must reconnect it."
    ),
    Code.ALL_DAY_SHIFT: (
        "An all-day event moves by whole days (P1D) or to dates, and a timed one to times."
    ),
    Code.WOULD_TRUNCATE: (
        "The event's title, or its new description, is longer than the API takes: it would be cut."
    ),
    Code.DUPLICATE_IN_FILE: "An earlier line of the same file asks the same for the same event.",
    Code.ALREADY_IN_CAMPAIGN: (
        "Another campaign is editing this event, or has already made this very shift."
    ),
    Code.DST_AMBIGUOUS: "The new local time does not exist, exists twice, or has an unknown zone.",
    Code.PAST_EVENT: "The event has already ended; --past-events edits it all the same.",
    Code.OUTSIDE_WINDOW: "The date lies outside of what Cronofy shows (42 days back, 201 ahead).",
    Code.SUMMARY_MISSING: (
        "The event has no title, and the API takes no edit without one; give a summary."
    ),
    Code.STARTS_TOO_SOON: (
        "The event starts so soon that the campaign leaves it alone (guards.not_within)."
    ),
    Code.EXTERNAL_ATTENDEES: "Somebody of another domain is invited, and the campaign spares them.",
    Code.PRIVATE_EVENT: "The event is private, and the campaign spares those.",
    Code.DENY_LISTED: "The campaign never touches this calendar, or somebody who takes part.",
    Code.CHANGED_ELSEWHERE: "Somebody changed the event in the meantime; it was left as it is.",
    Code.EXPECTATION_FAILED: (
        "The event does not start when expect_start says; it was left as it is."
    ),
    Code.END_BEFORE_START: "The event would end before it starts.",
    Code.REJECTED: "The API refused the edit as invalid; error_key tells the field.",
    Code.UPSTREAM: "The API kept failing; all attempts are used up.",
    Code.ACCOUNT_LOST: "The account's authorization was revoked; it must be authorized again.",
    Code.UNAUTHORIZED: "The account's token was refused even after a refresh.",
    Code.POISON: "Workers died on this edit again and again.",
    Code.IMAGE_UNREADABLE: (
        "What was stored of the event was damaged or changed by hand; nothing more was sent."
    ),
    Code.NOTHING_TO_UNDO: (
        "What the event was before is not known (erased, pruned, or never told); nothing was sent."
    ),
    Code.NO_EFFECT: "The API accepted the edit, but the event has not changed.",
    Code.DIFFERS: "The event changed, but not into what was asked.",
    Code.SIDE_EFFECT: "The edit took, but a field that was not touched has been lost.",
    Code.CONFERENCE_LOST: "The edit took, but the event has lost its conference link.",
    Code.NOT_READ_BACK: "The edit was sent, but could not be read back in time.",
    Code.GONE_SINCE: "The edit was accepted, but the event has been deleted since.",
    Code.OUT_OF_SIGHT: "The edit was accepted, and moved the event to where Cronofy shows nothing.",
    Code.NO_PROOF_ASKED: "The edit was accepted; the campaign asked for no verification.",
    Code.CAMPAIGN_FAILED: "The campaign was stopped before this line's turn.",
    Code.CAMPAIGN_CANCELLED: "The campaign was cancelled before this line's turn.",
    Code.BEYOND_LIMIT: "The line lies beyond what --limit or --sample took.",
    Code.PLAN_EXPIRED: "The plan was not approved in time; plan it again.",
    Code.PLAN_REJECTED: "Somebody rejected the plan.",
    Code.DEADLINE_PASSED: "The campaign's deadline came before this line's turn.",
}
