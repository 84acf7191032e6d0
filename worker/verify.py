"""Verify: one read proves many edits (DESIGN §3.4).

All of an account's accepted edits are read back together: first by one sweep of what was modified
since, then, for what the sweep does not show (the API does not promise that `updated` moves), by
windows around the dates. What is not proven in time ends as mismatch or unverified; time in which
the API did not answer is no such time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from worker.cronofy import Access
from worker.engine import Engine, Hold, holding, leased
from worker.errors import (
    CircuitOpen,
    Gone,
    LeaseLost,
    LimiterUnavailable,
    Rejected,
    StoreUnavailable,
    Unavailable,
    VaultError,
    WorkerError,
)
from worker.limits import WaitTooLong
from worker.model import AllDay, Code, EditState, Event, EventKey, Timed
from worker.rules import (
    Mismatch,
    NotYet,
    Proven,
    ReadWindow,
    Unproven,
    comeback_s,
    is_calm,
    is_in_sight,
    judge_proof,
    plan_windows,
    readable_window,
)
from worker.store import Claim, Edit, Note, Step
from worker.tokens import Session

log = structlog.get_logger(__name__)

#: how far before the first acceptance a sweep looks, in seconds: clocks differ, and so do rounds
SWEEP_MARGIN_S = 120.0
#: the longest wait between two read-backs, in seconds
LONGEST_WAIT_S = 120.0
#: so many read-backs must have been made before the time for proof can be over: it may have passed
#: while no worker was there, or no API, and then nothing has been tried yet
FAIR_TRIES = 3
#: after so many it is over even if the API goes away again and again
MOST_TRIES = 40
#: nobody was asked, which is no try
NOT_ASKED = (CircuitOpen, LimiterUnavailable, WaitTooLong)


async def verify_account(engine: Engine, sub: str) -> int:
    """Read back what an account's chunks wait for; returns how many edits ended."""
    try:
        ended = await _verify(engine, sub, engine.store.chunks.claim_proofs)
        if await engine.db(engine.store.chunks.has_suspect_proof, sub):
            ended += await _verify_alone(engine, sub)
    except VaultError as closed:
        # Nothing was claimed, and nothing counts as tried; the clock announces it again.
        log.warning("verify.not_configured", account=sub, why=closed.message)
        return 0
    return ended


async def _verify_alone(engine: Engine, sub: str) -> int:
    """Read back one chunk on which workers have died, while no other such chunk is in hand."""
    async with engine.quarantine.alone() as is_alone:
        if is_alone:
            return await _verify(engine, sub, engine.store.chunks.claim_suspect_proof)
    await engine.db(engine.store.chunks.put_off_proofs, sub, seconds=1.0 + engine.roll())
    return 0


async def _verify(engine: Engine, sub: str, claim: Callable[..., list[Claim]]) -> int:
    claims = await leased(engine, claim, sub)
    unasked = [each for each in claims if each.campaign.policy.verify == "none"]
    asked = [each for each in claims if each.campaign.policy.verify != "none"]
    try:
        ended = await _end_unasked(engine, unasked)
    except asyncio.CancelledError:
        async with holding(engine, asked) as holds:
            await _let_go(engine, holds)
        raise
    return ended + (await _read_and_judge(engine, asked) if asked else 0)


async def _end_unasked(engine: Engine, claims: Sequence[Claim]) -> int:
    """End accepted edits of campaigns that asked for no proof, once their writes show in reads.

    Not at once: another campaign would read the event as it was, and send that back with its edit.
    """
    settle_s, ended = engine.settings.settle, 0
    async with holding(engine, claims) as holds:
        for hold in holds:
            outcomes = [
                _outcome(engine, edit, EditState.UNVERIFIED, Code.NO_PROOF_ASKED)
                for edit in hold.claim.edits
                if edit.state is EditState.ACCEPTED and (edit.accepted_age_s or 0.0) >= settle_s
            ]
            ended += await _record(hold, outcomes)
        await _let_go(engine, holds, verify_in_s=settle_s)
    return ended


async def _read_and_judge(engine: Engine, claims: list[Claim]) -> int:
    async with holding(engine, claims) as holds:
        session = holds[0].session()
        try:
            ended = await _prove(engine, session, holds)
        except asyncio.CancelledError:
            await _let_go(engine, holds)
            raise
        except NOT_ASKED:
            wait_s = comeback_s(session.wait_s, roll=engine.roll())
            await _let_go(engine, holds, verify_in_s=wait_s)
            return 0
        await _let_go(engine, holds, tries=1)
        return ended


async def _prove(engine: Engine, session: Session, holds: Sequence[Hold]) -> int:
    """Read once for all chunks, and judge each; returns how many edits ended."""
    events = await _seen(engine, session, holds)
    is_over = is_calm(session.back_for_s, within_s=engine.settings.verify_within)
    ended = 0
    for hold in holds:
        tries = hold.claim.proofs + 1
        may_end = tries >= (FAIR_TRIES if is_over else MOST_TRIES)
        if events is not None or may_end:
            ended += await _judge_chunk(engine, hold, events or {}, may_end=may_end)
    return ended


async def _seen(
    engine: Engine, session: Session, holds: Sequence[Hold]
) -> dict[EventKey, Event] | None:
    """Return what a read shows of the edits' events; None when it failed, which proves nothing.

    Raises CircuitOpen when nobody answers there, and the limiter's errors: nothing has been tried.
    """
    first = holds[0]
    sub = first.claim.account.sub
    edits = [edit for hold in holds for edit in hold.claim.edits]
    sweep = all(hold.claim.proofs == 0 for hold in holds)
    try:
        return await _read_back(engine, session, first, edits, sweep=sweep)
    except (StoreUnavailable, *NOT_ASKED):
        raise
    except Unavailable as unanswered:
        log.info("verify.read_failed", account=sub, why=type(unanswered).__name__)
        if not await session.lives():
            raise CircuitOpen(unanswered.message, wait_s=session.wait_s) from None
    except WorkerError as refused:
        log.info("verify.read_failed", account=sub, why=type(refused).__name__)
    except Exception:
        # Even a read that nobody can make sense of must not keep a campaign open for ever.
        log.exception("verify.crashed", account=sub)
    return None


async def _read_back(
    engine: Engine, session: Session, hold: Hold, edits: Sequence[Edit], *, sweep: bool
) -> dict[EventKey, Event]:
    """Read the events of these edits: one sweep, or windows around where they were and shall be."""
    now = engine.clock.now()
    wanted = {edit.key for edit in edits}
    since = None
    if sweep:
        oldest = max((edit.accepted_age_s or 0.0) for edit in edits)
        since = now - timedelta(seconds=oldest + SWEEP_MARGIN_S)
    windows = [readable_window(now.date())] if sweep else _windows(engine, edits)
    found: dict[EventKey, Event] = {}
    for window in windows:
        if left := wanted - found.keys():
            found |= await _read(engine, session, hold, window, left, since=since)
    return found


async def _read(
    engine: Engine,
    session: Session,
    hold: Hold,
    window: ReadWindow,
    wanted: set[EventKey],
    *,
    since: datetime | None,
) -> dict[EventKey, Event]:
    """Read one window, in the calendars concerned; in all of them when one of these has gone."""

    async def read(access: Access, calendar_ids: Sequence[str]) -> dict[EventKey, Event]:
        return await engine.client.read_events(
            access,
            window,
            wanted=wanted,
            calendar_ids=calendar_ids,
            last_modified=since,
            include_moved=True,
            calls=hold.calls,
        )

    try:
        concerned = sorted({key.calendar_id for key in wanted})
        return await session.use(lambda access: read(access, concerned))
    except (Gone, Rejected):
        return await session.use(lambda access: read(access, ()))


def _windows(engine: Engine, edits: Sequence[Edit]) -> list[ReadWindow]:
    images = [image for edit in edits for image in (edit.before, edit.target) if image is not None]
    days = []
    for image in images:
        match image.when:
            case AllDay(start=start):
                days.append(start)
            case Timed(start=start):
                days.append(start.date())
    return plan_windows(days, today=engine.clock.now().date())


async def _judge_chunk(
    engine: Engine, hold: Hold, events: dict[EventKey, Event], *, may_end: bool
) -> int:
    """Judge a chunk's edits; `may_end` tells that it has been tried often enough to give one up."""
    outcomes = [
        found
        for edit in hold.claim.edits
        if (found := _judge(engine, edit, events.get(edit.key), may_end=may_end)) is not None
    ]
    return await _record(hold, outcomes)


async def _record(hold: Hold, outcomes: Sequence[tuple[Step, Note]]) -> int:
    try:
        await hold.record([step for step, _ in outcomes], [note for _, note in outcomes])
    except LeaseLost:
        log.warning("verify.lease_lost", chunk=hold.claim.chunk_id)
        return 0
    return len(outcomes)


def _judge(
    engine: Engine, edit: Edit, event: Event | None, *, may_end: bool
) -> tuple[Step, Note] | None:
    """Return the outcome that a read gives an edit; None while it proves nothing."""
    before, target = edit.before, edit.target
    if edit.is_unreadable:
        return _outcome(engine, edit, EditState.UNVERIFIED, Code.IMAGE_UNREADABLE)
    if before is None or target is None or edit.state is not EditState.ACCEPTED:
        return None
    time_is_up = may_end and (edit.accepted_age_s or 0.0) > engine.settings.verify_within
    in_sight = is_in_sight(target.when, today=engine.clock.now().date())
    proof = judge_proof(
        before, target, edit.fields, event, time_is_up=time_is_up, in_sight=in_sight
    )
    match proof:
        case NotYet():
            return None
        case Proven():
            return _outcome(engine, edit, EditState.VERIFIED, Code.VERIFIED)
        case Mismatch(code=code, fields=fields):
            return _outcome(engine, edit, EditState.MISMATCH, code, fields=fields)
        case Unproven(code=code):
            return _outcome(engine, edit, EditState.UNVERIFIED, code)
    assert_never(proof)


def _outcome(
    engine: Engine, edit: Edit, state: EditState, code: Code, *, fields: tuple[str, ...] = ()
) -> tuple[Step, Note]:
    step = Step(line_no=edit.line_no, was=edit.state, state=state, code=code)
    detail: dict[str, object] = {"differs": list(fields)} if fields else {}
    note = Note(
        actor=engine.owner,
        action=f"edit.{state}",
        code=code,
        line_no=edit.line_no,
        detail=detail,
    )
    return step, note


async def _let_go(
    engine: Engine, holds: Sequence[Hold], *, tries: int = 0, verify_in_s: float | None = None
) -> None:
    """Release every chunk; what is not proven is read back again, later each time.

    Or after `verify_in_s`, where that is given. Where that fails the lease runs out by itself.
    """
    for hold in holds:
        proofs = hold.claim.proofs + tries
        # The exponent is bounded first: the power of a high count would not fit into a float.
        wait = min(LONGEST_WAIT_S, engine.settings.verify_delay * 2.0 ** min(proofs, 16))
        wait = wait if verify_in_s is None else verify_in_s
        try:
            await engine.db(
                engine.store.chunks.release,
                hold.claim,
                verify_in_s=wait,
                proofs=proofs,
                keeps_rescues=not tries,
                calls=hold.take_calls(),
            )
        except (LeaseLost, StoreUnavailable) as lost:
            log.warning("verify.not_released", chunk=hold.claim.chunk_id, why=type(lost).__name__)
