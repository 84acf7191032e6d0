"""What an entry of the audit says, in words; nothing of it is an event's text (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from worker.model import Run
from worker.report.around import detail_of, reason_in
from worker.report.results import message_of
from worker.report.terms import tuned
from worker.store import FROZEN, AuditRow

_Detail = Mapping[str, Any]


def words_of(row: AuditRow) -> str:
    """Return what was done, without who did it and when: "paused: the board is meeting"."""
    detail = detail_of(row)
    if row.line_no is not None or row.action.startswith("edit."):
        return _of_edit(row, detail)
    tell = _WORDS.get(row.action, _plainly)
    said = tell if isinstance(tell, str) else tell(row, detail)
    reason = reason_in(row).removeprefix(FROZEN)
    return f"{said}: {reason}" if reason else said


def known_actions() -> tuple[str, ...]:
    """Return the actions that calpatch writes, in order."""
    return tuple(sorted({*_WORDS, *_OF_EDITS}))


# ---------------------------------------------------------------- edits


def _of_edit(row: AuditRow, detail: _Detail) -> str:
    said = _OF_EDITS.get(row.action, row.action.replace("edit.", "").replace("_", " "))
    fields = ", ".join(map(str, detail.get("fields", ())))
    parts = [f"{said} {fields}" if fields and said.endswith("change") else said]
    if row.code and row.code != row.action.removeprefix("edit."):
        parts.append(f"{row.code} ({message_of(row.code).rstrip('.')})")
    parts += [
        f"{label} {detail[name]}"
        for name, label in (("attempt", "attempt"), ("http_status", "answered"))
        if detail.get(name)
    ]
    if differs := detail.get("differs"):
        parts.append(f"in {', '.join(map(str, differs))}")
    if key := detail.get("error_key"):
        parts.append(f"at fault: {key}")
    return ", ".join(parts)


_OF_EDITS: Final = {
    "edit.planned": "planned to change",
    "edit.sending": "about to change",
    "edit.pending": "not taken; waits for another try",
    "edit.in_doubt": "in doubt whether it was taken",
    "edit.accepted": "accepted by the API (a promise, not a proof)",
    "edit.verified": "read back: the event is as asked",
    "edit.unverified": "not proven",
    "edit.mismatch": "read back: the event is not as asked",
    "edit.unchanged": "nothing to send",
    "edit.skipped": "skipped",
    "edit.conflict": "left to whoever changed it",
    "edit.failed": "failed",
    "edit.not_attempted": "not attempted",
}


# ---------------------------------------------------------------- all else


def _submitted(_row: AuditRow, detail: _Detail) -> str:
    return f"submitted {_count(detail.get('edits'), 'edit')}"


def _planned(_row: AuditRow, detail: _Detail) -> str:
    people = detail.get("people")
    mailed = f", {_count(people, 'person', 'people')} may get mail" if people else ""
    return f"planned {_count(detail.get('changes'), 'change')}{mailed}, {_plan(detail)}"


def _approved(_row: AuditRow, detail: _Detail) -> str:
    return f"approved the {_plan(detail)}"


def _plan(detail: _Detail) -> str:
    return f"plan sha256:{str(detail.get('plan', ''))[:16]}…"


def _begun(_row: AuditRow, detail: _Detail) -> str:
    canary = detail.get("canary")
    return f"began, {_count(canary, 'edit')} first" if canary else "began"


def _held(row: AuditRow, _detail: _Detail) -> str:
    return "held for its canary" if row.code == "canary" else "held for its failures"


def _resumed(row: AuditRow, detail: _Detail) -> str:
    return f"let it go on, {_tuned(row, detail)}" if "run" in detail else "let it go on"


def _tuned(_row: AuditRow, detail: _Detail) -> str:
    changed = tuned(msgspec.convert(detail.get("run", {}), Run))
    return f"tuned to {', '.join(changed) or 'what is usual'}"


def _ended(row: AuditRow, detail: _Detail) -> str:
    counts = ", ".join(
        f"{count:,} {state.replace('_', ' ')}" for state, count in detail.get("counts", {}).items()
    )
    said = row.action.removeprefix("campaign.").replace("_", " ")
    return f"{said} ({counts})" if counts else said


def _expired(row: AuditRow, detail: _Detail) -> str:
    """Return the end of a plan: the clock says so first, then its lines' counts."""
    return _ended(row, detail) if detail else "ended the plan: nobody had approved it in time"


def _account(row: AuditRow, _detail: _Detail) -> str:
    said = row.action.removeprefix("account.")
    return f"account {said} ({row.code})" if row.code else f"account {said}"


def _pruned(_row: AuditRow, detail: _Detail) -> str:
    images, outcomes = (detail.get(name, {}).get("edits", 0) for name in ("images", "outcomes"))
    return f"pruned what is stored of {images:,} events and the outcomes of {outcomes:,} lines"


def _plainly(row: AuditRow, detail: _Detail) -> str:
    """Return an entry that has no words of its own: its action, code and plain values."""
    values = [f"{name}={value}" for name, value in detail.items() if name not in {"reason", "why"}]
    said = row.action.partition(".")[2] or row.action
    return " ".join([said.replace("_", " "), *filter(None, [row.code]), *values])


def _count(count: object, one: str, many: str = "") -> str:
    number = int(str(count or 0))
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


_WORDS: Final[dict[str, str | Callable[[AuditRow, _Detail], str]]] = {
    "campaign.submitted": _submitted,
    "campaign.planned": _planned,
    "campaign.approved": _approved,
    "campaign.rejected": "rejected the plan",
    "campaign.expired": _expired,
    "campaign.begun": _begun,
    "campaign.canary_passed": "let the rest follow: the canary is proven",
    "campaign.held": _held,
    "campaign.paused": "paused it",
    "campaign.resumed": _resumed,
    "campaign.frozen": "paused it with everything else",
    "campaign.unfrozen": "let it go on as the freeze ended",
    "campaign.cancelling": "cancelled it",
    "campaign.aborted": "stopped it: the Cronofy plan lacks what editing needs (402)",
    "campaign.tuned": _tuned,
    "campaign.hours_began": "let it send: its hours began",
    "campaign.hours_over": "had it wait: its hours are over",
    "campaign.completed": _ended,
    "campaign.completed_with_errors": _ended,
    "campaign.cancelled": _ended,
    "campaign.failed": _ended,
    "campaign.images_pruned": "pruned what was stored of its events",
    "campaign.outcomes_pruned": "pruned the outcomes of its lines",
    "frozen": "froze everything",
    "unfrozen": "ended the freeze",
    "accounts.imported": lambda _row, detail: f"imported {_count(detail['accounts'], 'account')}",
    "account.forgotten": _account,
    "account.active": _account,
    "account.parked": _account,
    "account.lost": _account,
    "account.erasing": "began to erase the account",
    "account.erased": lambda _row, detail: f"erased {_count(detail.get('edits'), 'edit')} of it",
    "vault.rotated": _plainly,
    "pruned": _pruned,
}
