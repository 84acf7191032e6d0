"""The audit in words: what was done, with its reason, and never a dump."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from worker.model import CODE_HELP, Code
from worker.report import known_actions, words_of
from worker.store import AuditRow

NOT_AS_ASKED = "read back: the event is not as asked"
PLAN = {"plan": "ab" * 32}


def entry(action: str, *, code: str = "", line_no: int | None = None, **detail: Any) -> AuditRow:
    """Return an entry."""
    return AuditRow(
        chain="c_1", seq=1, campaign_id="c_1", line_no=line_no, at=datetime(2026, 6, 1, tzinfo=UTC),
        actor="ann", action=action, code=code, detail=msgspec.json.encode(detail).decode(),
        prev="", digest="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (entry("campaign.submitted", edits=71, chunks=2, reason="New hours"),
         "submitted 71 edits: New hours"),
        (entry("campaign.planned", changes=1, people=2, **PLAN),
         "planned 1 change, 2 people may get mail, plan sha256:abababababababab…"),
        (entry("campaign.planned", changes=2, people=0, **PLAN),
         "planned 2 changes, plan sha256:abababababababab…"),
        (entry("campaign.approved", reason="agreed", **PLAN),
         "approved the plan sha256:abababababababab…: agreed"),
        (entry("campaign.begun", canary=5), "began, 5 edits first"),
        (entry("campaign.begun", canary=0), "began"),
        (entry("campaign.held", code="canary", why="2 are not proven"),
         "held for its canary: 2 are not proven"),
        (entry("campaign.held", code="threshold", reason="12 of 100 edits failed"),
         "held for its failures: 12 of 100 edits failed"),
        (entry("campaign.paused", reason="lunch"), "paused it: lunch"),
        (entry("campaign.resumed", reason="back"), "let it go on: back"),
        (entry("campaign.resumed", reason="back", run={"max_failures": {"percent": 20.0}}),
         "let it go on, tuned to max-failures=20%: back"),
        (entry("campaign.tuned", reason="gentle", run={"share": 0.5, "batch_size": 10}),
         "tuned to share=50%, batch=10: gentle"),
        (entry("campaign.tuned", reason="as before", run={}),
         "tuned to what is usual: as before"),
        (entry("campaign.frozen", reason="frozen: incident"),
         "paused it with everything else: incident"),
        (entry("campaign.completed", counts={"verified": 48, "not_attempted": 2}),
         "completed (48 verified, 2 not attempted)"),
        (entry("campaign.expired"), "ended the plan: nobody had approved it in time"),
        (entry("campaign.expired", counts={"not_attempted": 2}), "expired (2 not attempted)"),
        (entry("frozen", reason="incident"), "froze everything: incident"),
        (entry("accounts.imported", accounts=1), "imported 1 account"),
        (entry("account.parked", code="account_locked"), "account parked (account_locked)"),
        (entry("account.forgotten"), "account forgotten"),
        (entry("account.erased", campaigns=1, edits=3), "erased 3 edits of it"),
        (entry("pruned", images={"edits": 4}, outcomes={"edits": 1_000}),
         "pruned what is stored of 4 events and the outcomes of 1,000 lines"),
        (entry("vault.rotated", table="accounts", rows=3), "rotated table=accounts rows=3"),
        (entry("sundry"), "sundry"),
        (entry("edit.planned", line_no=2, fields=["start", "end"], before="3c", target="4d"),
         "planned to change start, end"),
        (entry("edit.sending", line_no=2, fields=["start"], attempt=2),
         "about to change start, attempt 2"),
        (entry("edit.accepted", line_no=2, http_status=202),
         "accepted by the API (a promise, not a proof), answered 202"),
        (entry("edit.verified", line_no=2, code="verified"), "read back: the event is as asked"),
        (entry("edit.failed", line_no=2, code="rejected", http_status=422, error_key="summary"),
         f"failed, rejected ({CODE_HELP[Code.REJECTED][:-1]}), answered 422, at fault: summary"),
        (entry("edit.mismatch", line_no=2, code="differs", differs=["start", "location"]),
         f"{NOT_AS_ASKED}, differs ({CODE_HELP[Code.DIFFERS][:-1]}), in start, location"),
        (entry("edit.new_thing", line_no=2), "new thing"),
    ],
)  # fmt: skip
def test_an_entry_reads_as_a_sentence(row: AuditRow, said: str) -> None:
    """Whoever reads it has no table of actions at hand."""
    assert words_of(row) == said


def test_no_digest_is_told_to_a_person() -> None:
    """It is for machines, and JSON has it."""
    row = entry("edit.planned", line_no=2, fields=["start"], before="3c06", target="9f2c")
    assert "3c06" not in words_of(row)


def test_the_actions_that_are_known_have_names_of_their_own() -> None:
    """What `--action` is held against."""
    known = known_actions()
    assert list(known) == sorted(set(known))
    assert {"campaign.approved", "edit.verified", "frozen", "account.erased"} <= set(known)
