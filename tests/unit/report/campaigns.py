"""Campaigns in a real store, each edit brought to the end that a test names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.builders import an_image, timed
from worker.limits import LimiterState, WindowState
from worker.model import Code, EditState, Image, Patch, Policy, Shift
from worker.report import Pace, Snapshot, take_snapshot
from worker.store import (
    CallRow,
    Campaign,
    Claim,
    Database,
    EditRow,
    NewCampaign,
    Note,
    Step,
    Store,
    migrate,
)

COLUMNS = ("account", "calendar_id", "event_uid", "shift", "summary", "ref")
PACE = Pace(granted_per_min=350.0, batch_size=50, batch_counts_as="one")
PARIS = "Europe/Paris"
#: Long after any submission of a test.
AT = datetime(2126, 6, 1, 12, tzinfo=UTC)
LEASE_S = 60.0
_VIA_SENT = {EditState.ACCEPTED, EditState.VERIFIED, EditState.MISMATCH, EditState.UNVERIFIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where an edit gets to; the cells are those of its input line."""

    state: EditState
    code: str = ""
    shift: str = "PT1H"
    summary: str = ""
    ref: str = ""
    account: str = "acc_1"
    before: Image | None = None
    target: Image | None = None
    error_key: str = ""


#: One edit of each state that an ended campaign may have.
ONE_OF_EACH = (
    End(state=EditState.VERIFIED, code=Code.VERIFIED),
    End(state=EditState.UNCHANGED, code=Code.ALREADY_AS_ASKED),
    End(state=EditState.SKIPPED, code=Code.RECURRING),
    End(state=EditState.CONFLICT, code=Code.CHANGED_ELSEWHERE),
    End(state=EditState.FAILED, code=Code.REJECTED, error_key="summary"),
    End(state=EditState.MISMATCH, code=Code.NO_EFFECT),
    End(state=EditState.UNVERIFIED, code=Code.NOT_READ_BACK),
    End(state=EditState.NOT_ATTEMPTED, code=Code.CAMPAIGN_CANCELLED),
)


def a_store(path: Path) -> Store:
    """Return a migrated store in a SQLite file."""
    store = Store(Database(f"sqlite:///{path}"))
    migrate(store.database)
    return store


def uid(line_no: int) -> str:
    """Return the event of a line."""
    return f"evt_external_{line_no:024d}"


def a_campaign(
    store: Store,
    ends: Sequence[End],
    *,
    name: str = "c_1",
    columns: Sequence[str] = COLUMNS,
    cells: Sequence[Sequence[str]] | None = None,
    verify: str = "all",
    reason: str = "New office hours",
) -> Campaign:
    """Submit a campaign with an edit for each end, carry it out, and return it as it is then."""
    lines = cells or [_cells(number, end) for number, end in enumerate(ends, 2)]
    rows = [_row(number, end, line) for number, (end, line) in enumerate(zip(ends, lines), 2)]  # noqa: B905
    new = NewCampaign(
        key=f"key-{name}",
        digest="d" * 64,
        reason=reason,
        owner="somebody",
        source="edits.csv",
        columns=tuple(columns),
        policy=Policy(verify=verify),
    )
    store.campaigns.submit(new, rows, campaign_id=name, image_key=b"k" * 32, chunk_size=200)
    by_line = dict(enumerate(ends, 2))
    for chunk_id in [
        f"{name}.{n}" for n in range(1, 2 + len(rows) // 200 + len({e.account for e in ends}))
    ]:
        claim = store.chunks.claim(chunk_id, owner="worker", lease_s=LEASE_S)
        if claim is not None:
            _carry_out(store, claim, by_line)
    found = store.campaigns.get(name)
    assert found is not None
    return found


def _carry_out(store: Store, claim: Claim, ends: dict[int, End]) -> None:
    """Take each edit along its arrows; what stays open goes back with the chunk."""
    mine = {edit.line_no: ends[edit.line_no] for edit in claim.edits}
    sent = {n: e for n, e in mine.items() if e.state in {*_VIA_SENT, EditState.SENDING}}
    proven = {n: e for n, e in sent.items() if e.state in _VIA_SENT}
    direct = {n: e for n, e in mine.items() if n not in sent and e.state is not EditState.PENDING}
    _record(store, claim, [_sending(n, e) for n, e in sent.items()])
    _record(store, claim, [_accepted(n) for n in proven])
    last = [
        (n, e, EditState.ACCEPTED) for n, e in proven.items() if e.state is not EditState.ACCEPTED
    ]
    last += [(n, e, EditState.PENDING) for n, e in direct.items()]
    _record(store, claim, [_ended(n, e, was) for n, e, was in last])
    calls = [CallRow("read", 200, 2), CallRow("batch", 207, 1), CallRow("batch", 429, 1)]
    store.chunks.release(claim, retry_in_s=30, verify_in_s=4, calls=calls)


def _record(store: Store, claim: Claim, steps: list[Step]) -> None:
    notes = [
        Note(actor="worker", action=f"edit.{step.state}", code=step.code, line_no=step.line_no)
        for step in steps
    ]
    store.chunks.record(claim, steps, lease_s=LEASE_S, notes=notes)


def _sending(number: int, end: End) -> Step:
    before = end.before or an_image(timed("2026-06-02T07:00", tzid=PARIS))
    target = end.target or an_image(timed("2026-06-02T08:00", tzid=PARIS))
    return Step(
        line_no=number, was=EditState.PENDING, state=EditState.SENDING, attempts=1, before=before,
        target=target, fields=("start", "end"),
    )  # fmt: skip


def _accepted(number: int) -> Step:
    return Step(line_no=number, was=EditState.SENDING, state=EditState.ACCEPTED, http_status=202)


def _ended(number: int, end: End, was: EditState) -> Step:
    before = end.before or an_image() if was is EditState.PENDING else None
    return Step(
        line_no=number, was=was, state=end.state, code=end.code, before=before,
        error_key=end.error_key,
    )  # fmt: skip


def _cells(number: int, end: End) -> list[str]:
    return [end.account, "cal_1", uid(number), end.shift, end.summary, end.ref]


def _row(number: int, end: End, cells: Sequence[str]) -> EditRow:
    return EditRow(
        line_no=number,
        account=end.account,
        calendar_id="cal_1",
        event_uid=uid(number),
        hint="2026-06-02",
        ref=end.ref,
        patch=msgspec.json.encode(Patch(move=Shift(days=1))).decode(),
        cells=msgspec.json.encode(cells).decode(),
        change_digest=f"{number:032x}",
        relative=False,
        duplicate=False,
    )


def a_look(store: Store, campaign: Campaign, /, **fields: object) -> Snapshot:
    """Take a snapshot, and put in what a test names."""
    look = take_snapshot(store, campaign.id, at=AT, pace=PACE)
    assert look is not None
    changed: Snapshot = replace(look, **fields)  # type: ignore[arg-type]
    return changed


def a_limiter(**fields: object) -> LimiterState:
    """Return a limiter that has used 12 of the 350 calls of a minute."""
    windows = (
        WindowState(limit=50, granted=35, used=3, seconds=1.0),
        WindowState(limit=500, granted=350, used=12, seconds=60.0),
    )
    ordinary = {"windows": windows, "paused_for_s": 0.0, "waiting": 0, "free_in_s": 0.0}
    return LimiterState(**(ordinary | fields))  # type: ignore[arg-type]
