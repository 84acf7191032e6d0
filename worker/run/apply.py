"""Apply: intend, send, record, batch by batch; each edit is judged by its own answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from worker.cronofy import Access, Departure, Write, bring_home, build_edit
from worker.errors import CircuitOpen, LeaseLost, StoreUnavailable
from worker.model import CampaignState, Code, EditState
from worker.rules import (
    BATCHES_AT_ONCE,
    AbortCampaign,
    Answer,
    Doubted,
    Ended,
    NotTaken,
    ParkAccount,
    Reauthenticate,
    SkipEdit,
    Taken,
    comeback_s,
    is_refused_batch,
    is_unanswered,
    may_repeat_at_once,
    next_try,
    spared,
)
from worker.rules.answers import PLAN_FEATURE_MISSING
from worker.run.locked import close_calendars
from worker.run.work import CampaignStopped, Outcome, Ready, Work, ended
from worker.store import Note, Step


@dataclass(slots=True)
class _Outbox:
    """What the lanes of one run still have to send."""

    todo: deque[Ready]
    #: a batch was refused as a whole: what it was about goes one by one
    singly: bool = False
    taken: int = 0
    #: the data center has stopped answering
    shut: CircuitOpen | None = None


async def apply(work: Work, ready: Sequence[Ready]) -> None:
    """Send what is ready, as far as time, lease and campaign allow; the rest stays open.

    Several lanes send at a time: while one's batch is on the wire, another's is written down.
    """
    outbox = _Outbox(deque(ready))
    lanes = min(BATCHES_AT_ONCE, -(-len(ready) // work.batch_size))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(_lane(work, outbox))
    except BaseExceptionGroup as several:
        raise _first_of(several) from None
    if outbox.shut is not None:
        raise outbox.shut
    if outbox.todo:
        work.go_on_in(0.0)


def wait_for_api(work: Work) -> None:
    """Have the chunk come back soon after the next probe of its data center."""
    work.go_on_in(comeback_s(work.session.wait_s, roll=work.engine.roll()))


def _first_of(several: BaseExceptionGroup) -> BaseException:
    """Return what ends the run: a lost lease or database before anything that wants to record."""
    flat = [one for one in several.exceptions if not isinstance(one, BaseExceptionGroup)]
    flat.sort(key=lambda one: not isinstance(one, LeaseLost | StoreUnavailable))
    return flat[0] if flat else several


async def _lane(work: Work, outbox: _Outbox) -> None:
    """Send batch after batch.

    However late the reads came home, one batch is sent: a run that only ever reads ends nothing.
    """
    while outbox.todo and work.may_send and (work.has_time or not outbox.taken):
        try:
            await _send_next(work, outbox)
        except CampaignStopped:
            return
        except CircuitOpen as shut:
            # No failure of the group: it would interrupt the lanes that are finding out why.
            outbox.shut = shut
            return


async def _send_next(work: Work, outbox: _Outbox) -> None:
    """Send the next batch, and see to what its answers mean."""
    access, departure = await work.session.access(), Departure(work.check)
    batch, shut = _next_batch(work, outbox)
    sent, intents = _intended(work, batch)
    # From here on other lanes see what this one is about to send; none of it is free to end.
    exchange = _exchange(work, sent, [*shut, *intents], access=access, departure=departure)
    answers = await bring_home(exchange, departure)
    await _beyond(work, batch, answers, access=access)
    outbox.todo.extendleft(reversed(_again(work, batch, answers)))
    if any(is_refused_batch(answer) for answer in answers):
        outbox.singly = True


def _next_batch(work: Work, outbox: _Outbox) -> tuple[list[Ready], list[Outcome]]:
    """Take the next batch off the list, without the edits that have ended meanwhile.

    Edits in calendars that have closed end here, by the outcomes returned.
    """
    batch: list[Ready] = []
    shut: list[Outcome] = []
    size = 1 if outbox.singly else work.batch_size
    while outbox.todo and len(batch) < size:
        one = outbox.todo.popleft()
        if one.edit.line_no not in work.open:
            continue
        code = work.closed.get(one.edit.key.calendar_id)
        if code is None:
            batch.append(one)
        else:
            shut += ended(work, [one.edit], EditState.SKIPPED, code)
    outbox.taken += len(batch)
    return batch, shut


def _intended(work: Work, batch: Sequence[Ready]) -> tuple[list[Ready], list[Outcome]]:
    """Mark a batch as being sent; returns it so, and what must be stored before it is (law 5)."""
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
            sent_age_s=0.0,
        )
        sent.append(replace(one, edit=now))
        work.open[edit.line_no] = now
    return sent, outcomes


async def _exchange(
    work: Work,
    sent: Sequence[Ready],
    before: Sequence[Outcome],
    *,
    access: Access,
    departure: Departure,
) -> list[Answer]:
    """Intend, send, record: from the departure on these are one, whoever is cancelled."""
    await work.record(before)
    if not sent:
        return []
    answers = await _send(work, sent, access=access, departure=departure)
    pairs = list(zip(sent, answers, strict=True))
    await work.record([_judged(work, one, answer) for one, answer in pairs])
    work.has_sent = True
    return answers


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


async def _beyond(
    work: Work, batch: Sequence[Ready], answers: Sequence[Answer], *, access: Access
) -> None:
    """See to what an answer means for more than its own edit."""
    if any(is_unanswered(answer) for answer in answers):
        await _find_out_why(work, batch, answers)
    if any(isinstance(answer, SkipEdit) for answer in answers):
        # 403 and 404 contradict the list of calendars by which the edit was let through.
        await work.engine.db(
            work.engine.store.accounts.doubt_calendars, work.hold.claim.account.sub
        )
    if any(isinstance(answer, AbortCampaign) for answer in answers):
        await abort(work)
    pairs = zip(batch, answers, strict=True)
    locked = {one.edit.key.calendar_id for one, it in pairs if isinstance(it, ParkAccount)}
    if locked - work.closed.keys():
        await close_calendars(work, locked)
    if any(isinstance(answer, Reauthenticate) for answer in answers):
        await work.session.refused(access)


async def _find_out_why(work: Work, batch: Sequence[Ready], answers: Sequence[Answer]) -> None:
    """Take back what the failed call cost its edits, if nobody answers there at all.

    After it has been written down as in doubt: whoever dies meanwhile has used up an attempt.
    """
    if await work.session.lives():
        return
    doubted = [
        work.open[one.edit.line_no]
        for one, answer in zip(batch, answers, strict=True)
        if is_unanswered(answer) and one.edit.line_no in work.open
    ]
    steps = [
        Step(line_no=edit.line_no, was=edit.state, state=edit.state, attempts=spared(edit.attempts))
        for edit in doubted
        if edit.state is EditState.SENDING and spared(edit.attempts) != edit.attempts
    ]
    await work.record((step, None) for step in steps)
    raise CircuitOpen("The API does not answer", wait_s=work.session.wait_s)


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
