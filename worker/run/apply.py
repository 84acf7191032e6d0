"""Apply: intend, send, record, batch by batch; each edit is judged by its own answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from worker.cronofy import Access, Departure, Write, bring_home, build_edit
from worker.model import CampaignState, Code, EditState
from worker.rules import (
    AbortCampaign,
    Accepted,
    Answer,
    Doubted,
    Ended,
    NotTaken,
    ParkAccount,
    Reauthenticate,
    Taken,
    is_refused_batch,
    may_repeat_at_once,
    next_try,
)
from worker.rules.answers import PLAN_FEATURE_MISSING
from worker.run.locked import close_calendars
from worker.run.work import CampaignStopped, Outcome, Ready, Work, ended
from worker.store import Note, Step


async def apply(work: Work, ready: Sequence[Ready]) -> None:
    """Send what is ready, as far as time, lease and campaign allow; the rest stays open.

    However late the reads came home, one batch is sent: a run that only ever reads ends nothing.
    """
    todo, size, is_first = deque(ready), work.engine.batch_size, True
    while todo and work.may_send and (work.has_time or is_first):
        batch = await _next_batch(work, todo, size)
        if not batch:
            continue
        is_first = False
        access, departure = await work.session.access(), Departure(work.check)
        try:
            exchange = _exchange(work, batch, access=access, departure=departure)
            answers = await bring_home(exchange, departure)
        except CampaignStopped:
            return
        await _beyond(work, batch, answers)
        todo.extendleft(reversed(_again(work, batch, answers)))
        size = 1 if any(is_refused_batch(answer) for answer in answers) else size
    if todo:
        work.go_on_in(0.0)


async def _next_batch(work: Work, todo: deque[Ready], size: int) -> list[Ready]:
    """Take the next batch off the list, without the edits that have ended meanwhile.

    Edits in calendars that have closed end here.
    """
    batch: list[Ready] = []
    shut: list[Outcome] = []
    while todo and len(batch) < size:
        one = todo.popleft()
        if one.edit.line_no not in work.open:
            continue
        code = work.closed.get(one.edit.key.calendar_id)
        if code is None:
            batch.append(one)
        else:
            shut += ended(work, [one.edit], EditState.SKIPPED, code)
    await work.record(shut)
    return batch


async def _exchange(
    work: Work, batch: Sequence[Ready], *, access: Access, departure: Departure
) -> list[Answer]:
    """Intend, send, record: from the departure on these are one, whoever is cancelled."""
    sent = await _intend(work, batch)
    answers = await _send(work, sent, access=access, departure=departure)
    pairs = list(zip(sent, answers, strict=True))
    await work.record([_judged(work, one, answer) for one, answer in pairs])
    if work.hold.claim.campaign.policy.verify == "none":
        await work.record(_unproven(work, sent, answers))
    return answers


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


async def _send(
    work: Work, sent: Sequence[Ready], *, access: Access, departure: Departure
) -> list[Answer]:
    """Send one batch, once. What has not left goes back: no attempt is used up."""
    resend_location = work.engine.settings.omitted_fields == "reset"
    try:
        writes: list[Write] = [
            build_edit(one.edit.key, one.target, one.fields, resend_location=resend_location)
            for one in sent
        ]
        departure.wait()
        return await work.engine.client.write_batch(
            access, writes, calls=work.hold.calls, departure=departure
        )
    except BaseException:
        departure.stay()
        if not departure.has_left:
            edits = [one.edit for one in sent]
            await work.record([work.back(edit, attempts=edit.attempts - 1) for edit in edits])
        raise


def _again(work: Work, batch: Sequence[Ready], answers: Sequence[Answer]) -> list[Ready]:
    """Return what may be sent again at once: surely not taken, and still open."""
    return [
        replace(one, edit=work.open[one.edit.line_no])
        for one, answer in zip(batch, answers, strict=True)
        if may_repeat_at_once(answer) and one.edit.line_no in work.open
    ]


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


def _judged(work: Work, one: Ready, answer: Answer) -> Outcome:
    """Return an edit's outcome by its own answer."""
    verdict = next_try(
        answer,
        attempts=one.edit.attempts,
        settle_s=work.engine.settings.settle,
        roll=work.engine.roll(),
    )
    match verdict:
        case Taken():
            return _step(work, one, EditState.ACCEPTED, http_status=202)
        case Ended(state=state, code=code, status=status, error_key=error_key):
            return _step(work, one, state, code=code, http_status=status, error_key=error_key)
        case NotTaken(attempts=attempts, status=status, after_s=after_s):
            work.wait(after_s)
            return work.back(one.edit, attempts=attempts, http_status=status)
        case Doubted():
            return _doubted(work, one, verdict)
    assert_never(verdict)


def _doubted(work: Work, one: Ready, doubt: Doubted) -> Outcome:
    """Leave the edit where it is, on its way; the next run reads before it does anything."""
    work.wait(doubt.after_s)
    edit, status = one.edit, doubt.status
    step = Step(line_no=edit.line_no, was=edit.state, state=EditState.SENDING, http_status=status)
    note = Note(
        actor=work.engine.owner,
        action="edit.in_doubt",
        code=doubt.why,
        line_no=edit.line_no,
        detail={"http_status": status},
    )
    return step, note


async def _beyond(work: Work, batch: Sequence[Ready], answers: Sequence[Answer]) -> None:
    """See to what an answer means for more than its own edit."""
    if any(isinstance(answer, AbortCampaign) for answer in answers):
        await abort(work)
    pairs = zip(batch, answers, strict=True)
    locked = {one.edit.key.calendar_id for one, it in pairs if isinstance(it, ParkAccount)}
    if locked:
        await close_calendars(work, locked)
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
    work.hold.campaign_state = CampaignState.CANCELLING


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
