"""Submitting with nobody at hand: what jobs do, by a command, or by a task's name."""

from __future__ import annotations

from worker.unattended.inbox import submit_from_inbox
from worker.unattended.submitting import (
    Placed,
    campaign_in,
    check_before,
    submit_campaign,
    submit_input,
)

__all__ = [
    "Placed",
    "campaign_in",
    "check_before",
    "submit_campaign",
    "submit_from_inbox",
    "submit_input",
]
