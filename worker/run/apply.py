"""Apply: intend, send, record, batch by batch; each edit is judged by its own answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import TypeVar, assert_never

from worker.cronofy import NOT_SENT, Write, build_edit
from worker.errors import LimiterUnavailable, TokenLost
from worker.limits import WaitTooLong
from worker.model import CampaignState, Code, EditState
from worker.rules import (
    AbortCampaign,
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    Reauthenticate,
    RejectEdit,
    SkipEdit,
    Throttled,
    backoff_s,
)
from worker.rules.answers import PLAN_FEATURE_MISSING
from worker.run.locked import close_calendars
from worker.run.work import Ready, Work, ended
from worker.store import Note, Step

Outcome = tuple[Step, Note | None]
T = TypeVar("T")

#: What the client says of a batch that was refused as a whole with nothing to say of any one edit.
BATCH_REFUSED = "batch_refused"


async def apply(work: Work, ready: Sequence[Ready]) -> None:
    """Send what is ready, as far as time, lease and campaign allow; the rest stays open."""
    todo, size = deque(ready), work.engine.batch_size
    while todo and work.has_time and work.may_send:
        batch = await _next_batch(work, todo, size)
        if not batch:
            continue
        sent = await _intend(work, batch)
        if not work.may_send:
            await _take_back(work, sent)
            return
        again, whole = await _uncut(_send_and_take(work, sent))
        todo.extendleft(reversed(again))
        size = size if whole else 1
    if todo:
        work.wait(0.0)


async def _uncut(effect: Coroutine[None, None, T]) -> T:
    """Let a POST and its record come home even when the run is cancelled: they are one."""
    task = asyncio.ensure_future(effect)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _next_batch(work: Work, todo: deque[Ready], size: int) -> list[Ready]:
    """Take the next batch off the list; edits in calendars that have closed meanwhile end here."""
    batch: list[Ready] = []
    shut: list[Ready] = []
    while todo and len(batch) < size:
        one = todo.popleft()
        (shut if one.edit.key.calendar_id in work.closed else batch).append(one)
    for one in shut:
        code = work.closed[one.edit.key.calendar_id]
        await work.record(ended(work, [one.edit], EditState.SKIPPED, code))
    return batch


async def _intend(work: Work, batch: Sequence[Ready]) -> list[Ready]:
    """Store what is about to be sent, before it is (law 5); returns it as it is stored now."""
    outcomes: list[Outcome] = []
    sent: list[Ready] = []
    for one in batch:
        edit = one.edit
        step = Step(
            line_no=edit.line_no,
            was=edit.state,
            state=EditState.SENDING,
            attempts=edit.attempts + 1,
            before=one.before,
            target=one.target,
            fields=one.fields,
        )
        detail = work.digests(one.before, one.target) | {"attempt": edit.attempts + 1}
        outcomes.append(work.noted(step, detail=detail))
        now = replace(
            edit,
            state=EditState.SENDING,
            attempts=edit.attempts + 1,
            before=one.before,
            target=one.target,
            fields=one.fields,
        )
        sent.append(replace(one, edit=now))
        work.open[edit.line_no] = now
    await work.record(outcomes)
    return sent


async def _take_back(work: Work, sent: Sequence[Ready]) -> None:
    """Return intended edits to pending: surely nothing was sent, so no attempt is used up."""
    await work.record([_back(work, one, attempts=one.edit.attempts - 1) for one in sent])


async def _send(work: Work, sent: Sequence[Ready]) -> list[Answer]:
    """Send one batch, once. Nothing leaves after the lease has run out."""
    resend_location = work.engine.settings.omitted_fields == "reset"
    writes: list[Write] = [
        build_edit(one.edit.key, one.target, one.fields, resend_location=resend_location)
        for one in sent
    ]
    try:
        access = await work.session.access()
        work.hold.check()
        return await work.engine.client.write_batch(access, writes, calls=work.hold.calls)
    except (WaitTooLong, LimiterUnavailable, TokenLost):
        await _take_back(work, sent)
        raise


async def _send_and_take(work: Work, sent: Sequence[Ready]) -> tuple[list[Ready], bool]:
    return await _take(work, sent, await _send(work, sent))


async def _take(
    work: Work, sent: Sequence[Ready], answers: Sequence[Answer]
) -> tuple[list[Ready], bool]:
    """Record a batch's answers; returns what to send again at once, and whether batches work."""
    outcomes: list[Outcome] = []
    again: list[Ready] = []
    locked: list[Ready] = []
    whole = True
    for one, answer in zip(sent, answers, strict=True):
        if _is_refused_batch(answer):
            whole = False
        outcome, repeat = _judged(work, one, answer)
        outcomes.append(outcome)
        if repeat:
            again.append(one)
        if isinstance(answer, ParkAccount):
            locked.append(one)
    await work.record(outcomes)
    if work.hold.claim.campaign.policy.verify == "none":
        await work.record(_unproven(work, sent, answers))
    await _beyond(work, answers, locked)
    return [replace(one, edit=work.open[one.edit.line_no]) for one in again], whole


def _unproven(work: Work, sent: Sequence[Ready], answers: Sequence[Answer]) -> list[Outcome]:
    """End accepted edits of a campaign that asked for no proof."""
    return [
        work.noted(
            Step(
                line_no=one.edit.line_no,
                was=EditState.ACCEPTED,
                state=EditState.UNVERIFIED,
                code=Code.NO_PROOF_ASKED,
            )
        )
        for one, answer in zip(sent, answers, strict=True)
        if isinstance(answer, Accepted)
    ]


def _judged(work: Work, one: Ready, answer: Answer) -> tuple[Outcome, bool]:
    """Return an edit's outcome by its own answer, and whether it may be sent again at once."""
    edit = one.edit
    match answer:
        case Accepted():
            return _step(work, one, EditState.ACCEPTED, http_status=202), False
        case Throttled() | Reauthenticate():
            # Known not to be taken. A 401 comes once per run: the second one loses the account.
            status = 429 if isinstance(answer, Throttled) else 401
            return _back(work, one, attempts=edit.attempts - 1, http_status=status), True
        case ParkAccount(code=code, status=status) | SkipEdit(code=code, status=status):
            if code is Code.PERMISSION_MISSING:
                work.closed[edit.key.calendar_id] = code
            return _step(work, one, EditState.SKIPPED, code=code, http_status=status), False
        case AbortCampaign(code=reason, status=status):
            return _rejected(work, one, status, reason), False
        case RejectEdit(status=status, keys=keys):
            return _rejected(work, one, status, ",".join(keys)), False
        case InDoubt():
            return _doubted(work, one, answer)
    assert_never(answer)


def _rejected(work: Work, one: Ready, status: int, error_key: str) -> Outcome:
    return _step(
        work, one, EditState.FAILED, code=Code.REJECTED, http_status=status, error_key=error_key
    )


def _doubted(work: Work, one: Ready, answer: InDoubt) -> tuple[Outcome, bool]:
    edit, status = one.edit, answer.status or None
    if _is_refused_batch(answer):
        # Refused for something in it: sent again one by one, each is told its own fault.
        return _back(work, one, attempts=edit.attempts - 1, http_status=status), True
    work.wait(backoff_s(edit.attempts, roll=work.engine.roll()))
    if answer.why == NOT_SENT:
        return _back(work, one, attempts=edit.attempts), False
    work.wait(work.engine.settings.settle)
    step = Step(line_no=edit.line_no, was=edit.state, state=EditState.SENDING, http_status=status)
    note = Note(
        actor=work.engine.owner,
        action="edit.in_doubt",
        code=answer.why,
        line_no=edit.line_no,
        detail={"http_status": status},
    )
    return (step, note), False


async def _beyond(work: Work, answers: Sequence[Answer], locked: Sequence[Ready]) -> None:
    """See to what an answer means for more than its own edit."""
    if any(isinstance(answer, AbortCampaign) for answer in answers):
        await abort(work)
    if locked:
        await close_calendars(work, {one.edit.key.calendar_id for one in locked})
    if any(isinstance(answer, Reauthenticate) for answer in answers):
        await work.session.refused()


async def abort(work: Work) -> None:
    """Stop the whole campaign: the plan lacks what every edit needs (402)."""
    claim = work.hold.claim
    note = Note(actor=work.engine.owner, action="campaign.aborted", code=PLAN_FEATURE_MISSING)
    await work.engine.db(
        work.engine.store.campaigns.move,
        claim.campaign.id,
        CampaignState.CANCELLING,
        state_reason=PLAN_FEATURE_MISSING,
        note=note,
    )
    work.campaign_state = CampaignState.CANCELLING


def _is_refused_batch(answer: Answer) -> bool:
    return isinstance(answer, InDoubt) and answer.why == BATCH_REFUSED


def _back(work: Work, one: Ready, *, attempts: int, http_status: int | None = None) -> Outcome:
    """Return an edit to pending, known not to be taken; its target stays as it is (law 3)."""
    work.open[one.edit.line_no] = replace(one.edit, state=EditState.PENDING, attempts=attempts)
    step = Step(
        line_no=one.edit.line_no,
        was=one.edit.state,
        state=EditState.PENDING,
        attempts=attempts,
        http_status=http_status,
    )
    return work.noted(step)


def _step(
    work: Work,
    one: Ready,
    state: EditState,
    *,
    code: Code | str = "",
    http_status: int | None = None,
    error_key: str = "",
) -> Outcome:
    return work.noted(
        Step(
            line_no=one.edit.line_no,
            was=one.edit.state,
            state=state,
            code=code,
            http_status=http_status,
            error_key=error_key,
        )
    )
