"""A campaign in one line whose form stays: for logs, mails, and whoever greps them."""

from __future__ import annotations

from worker.report.reasons import why_it_waits
from worker.report.snapshot import Snapshot
from worker.rules import format_seconds

#: states of edits that have changed an event, or may have
_CHANGED = ("verified", "unverified", "mismatch")


def outline(look: Snapshot) -> str:
    """Return `ID KEY STATE: N edits: N OUTCOME, …; N API calls, TIME`, and `; WHY` it waits.

    States and outcomes are single words, most frequent first.
    """
    campaign, states = look.campaign, look.by_state
    ordered = sorted(states.items(), key=lambda each: (-each[1], each[0]))
    counts = ", ".join(f"{count:,} {state}" for state, count in ordered) or "nothing to do"
    calls = sum(row.calls for row in look.calls)
    line = (
        f"{campaign.id} {campaign.key} {campaign.state}: {_plural(campaign.total, 'edit')}: "
        f"{counts}; {_plural(calls, 'API call')}, {format_seconds(look.elapsed_s)}"
    )
    why = why_it_waits(look)
    return f"{line}; {why}" if why else line


def changed(look: Snapshot) -> int:
    """Return how many events a campaign has changed, or may have."""
    return sum(count for state, count in look.by_state.items() if state in _CHANGED)


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
