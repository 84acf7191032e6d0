"""The pipe of one chunk, and what each kind of failure means for it.

Nothing here knows Celery. Every error ends in one of three ways: edits end by name, the chunk waits
for another run, or the lease is left to run out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from worker.engine import Engine, Hold, holding, leased
from worker.errors import (
    ApiError,
    CircuitOpen,
    CredentialsLocked,
    Gone,
    LeaseLost,
    LimiterUnavailable,
    NotPermitted,
    RateLimited,
    Rejected,
    SettingsError,
    StoreUnavailable,
    TokenLost,
    VaultError,
    WorkerError,
)
from worker.limits import WaitTooLong
from worker.model import AccountStatus, Calendar, Code, EditState
from worker.rules import backoff_s
from worker.run.apply import abort, apply, wait_for_api
from worker.run.fetch import fetch_calendars, fetch_events
from worker.run.locked import LONG_S, end_late, end_untried, park, why_unusable
from worker.run.plan import plan
from worker.run.settle import not_attempted, settle_all
from worker.run.work import STOPPED_STATES, Work, ended
from worker.store import Claim, Step

log = structlog.get_logger(__name__)

#: seconds until a chunk is tried again whose limiter or API could not be asked
SOON_S = 5.0
#: characters of an id that a log shows: messages come from Redis, and may say anything
LONGEST_ID = 64


async def run_chunk(engine: Engine, chunk_id: str) -> str:
    """Run a chunk once; returns what it became, "" when there was nothing to claim.

    Where it needs the whole readable window, more of the account's chunks that do come along and
    share the read. Safe to call at any time, in any number of places: the lease admits one.
    """
    try:
        became = await _claim_and_run(engine, chunk_id, suspects=False)
        if became is None and await engine.db(engine.store.chunks.is_suspect, chunk_id):
            became = await _run_alone(engine, chunk_id)
    except VaultError as closed:
        # The images do not open: nothing was claimed or counted, and the clock announces it again.
        log.warning("chunk.not_configured", chunk=chunk_id[:LONGEST_ID], why=closed.message)
        return ""
    if became is None:
        log.debug("chunk.not_claimed", chunk=chunk_id[:LONGEST_ID])
        return ""
    return became


async def _claim_and_run(engine: Engine, chunk_id: str, *, suspects: bool) -> str | None:
    """Run a chunk, a suspect only if asked to; None when there was nothing to claim."""
    claims = await leased(engine, partial(engine.store.chunks.claim, suspects=suspects), chunk_id)
    if not claims:
        return None
    async with holding(engine, claims) as [hold]:
        first = _open(engine, hold)
        async with holding(engine, await _company(first)) as holds:
            return await _run_all(first, [_open(engine, one) for one in holds])


async def _run_alone(engine: Engine, chunk_id: str) -> str | None:
    """Run a chunk on which workers have died while no other such chunk is in this process's hands.

    Or one of them kills its worker again, and is counted against the others as well.
    """
    async with engine.quarantine.alone() as is_alone:
        if is_alone:
            return await _claim_and_run(engine, chunk_id, suspects=True)
    await engine.db(engine.store.chunks.put_off, chunk_id, seconds=1.0 + engine.roll())
    return None


async def _company(first: Work) -> list[Claim]:
    """Claim the chunks that share the first one's read of the whole window."""
    engine, claim = first.engine, first.hold.claim
    if not claim.reads_all or claim.rescues:
        return []
    try:
        return await leased(engine, engine.store.chunks.claim_company, claim.chunk_id)
    except VaultError:
        return []  # they are the same account's, which is being erased
    except asyncio.CancelledError:
        await _let_go(first)
        raise


def _open(engine: Engine, hold: Hold) -> Work:
    claim = hold.claim
    return Work(
        engine=engine,
        hold=hold,
        session=hold.session(),
        open={edit.line_no: edit for edit in claim.edits},
        until=engine.clock.monotonic() + engine.settings.chunk_budget,
    )


async def _run_all(first: Work, company: Sequence[Work]) -> str:
    """Run the chunks one after the other; returns what the first became."""
    waiting = deque(company)
    try:
        became = await _run_one(first, company)
        while waiting:
            work = waiting.popleft()
            if work.is_read and work.has_time:
                await _run_one(work, ())
            else:
                work.wait(first.retry_in_s)
                await _let_go(work)
    except asyncio.CancelledError:
        for work in waiting:
            await _let_go(work)
        raise
    return became


async def _run_one(work: Work, company: Sequence[Work]) -> str:
    """Run the pipe; whatever it raises ends in a release, or leaves the lease to run out."""
    claim, engine = work.hold.claim, work.engine
    # Nothing to send, but rescued: a read-back has died, which counts as long as none succeeds.
    rescued = claim.rescues > 0 and all(edit.state is EditState.ACCEPTED for edit in claim.edits)
    try:
        await _pipe(work, company)
    except LeaseLost:
        log.warning("chunk.lease_lost", chunk=claim.chunk_id)
        return ""
    except StoreUnavailable:
        # Nothing can be written, not even the release: the lease runs out by itself.
        log.warning("chunk.store_unavailable", chunk=claim.chunk_id)
        raise
    except asyncio.CancelledError:
        await _let_go(work)
        raise
    except Exception:
        log.exception("chunk.crashed", chunk=claim.chunk_id)
        work.wait(backoff_s(claim.rescues + 1, roll=engine.roll()) + 1.0)
        rescued = True
    return await _release(work, rescued=rescued)


async def _pipe(work: Work, company: Sequence[Work]) -> None:
    """fetch → decide → intend → apply → record, with the API's refusals turned into outcomes."""
    claim = work.hold.claim
    if claim.campaign.state in STOPPED_STATES:
        await work.record(not_attempted(work))
    elif not (work.may_send or work.plans):
        return  # a message that came late: paused edits wait where they are
    if not any(edit.state is not EditState.ACCEPTED for edit in work.open.values()):
        return
    if not claim.account.usable:
        await end_untried(work, why_unusable(claim.account))
        return
    try:
        await _fetch_and_apply(work, company)
    except ApiError as refused:
        await _refused(work, refused)
    except TokenLost as lost:
        await _lost(work, Code(lost.reason))
    except (CircuitOpen, LimiterUnavailable, WaitTooLong, VaultError, SettingsError) as missing:
        await _prevented(work, missing)


async def _prevented(work: Work, missing: WorkerError) -> None:
    """Let the edits wait for what is missing, here or there: it is no fault of theirs."""
    chunk = work.hold.claim.chunk_id
    match missing:
        case CircuitOpen():
            wait_for_api(work)
        case WaitTooLong(wait_s=wait_s):
            log.info("chunk.no_grant", chunk=chunk, seconds=round(wait_s, 1))
            work.go_on_in(min(max(SOON_S, wait_s), LONG_S))
        case LimiterUnavailable():
            log.warning("chunk.no_grant", chunk=chunk)
            work.go_on_in(SOON_S)
        case _:
            log.warning("chunk.not_configured", chunk=chunk, why=missing.message)
            await end_late(work)
            work.wait(LONG_S)


async def _fetch_and_apply(work: Work, company: Sequence[Work]) -> None:
    calendars = await fetch_calendars(work)
    if not work.is_read:
        try:
            await _look([work, *company], calendars)
        except (Gone, Rejected):
            # One calendar that is gone since has the read of all refused: list them anew.
            calendars = await fetch_calendars(work, anew=True)
            await _look([work, *company], calendars)
    was_asked = work.hold.calls.total > 0
    if was_asked and work.hold.claim.account.status is not AccountStatus.ACTIVE:
        await _unpark(work)
    ready, outcomes = settle_all(work, calendars)
    await work.record(outcomes)
    if work.plans:
        await plan(work, ready)
    else:
        await apply(work, ready)


async def _look(works: Sequence[Work], calendars: Mapping[str, Calendar]) -> None:
    events = await fetch_events(works, calendars)
    for work in works:
        work.events, work.is_read = events, True


async def _unpark(work: Work) -> None:
    store, engine = work.engine.store, work.engine
    await engine.db(
        store.accounts.set_status,
        work.hold.claim.account.sub,
        AccountStatus.ACTIVE,
        actor=engine.owner,
    )


async def _refused(work: Work, refused: ApiError) -> None:
    """Turn a read that was refused into what it means for the chunk's edits."""
    match refused:
        case RateLimited():
            work.go_on_in(refused.retry_after_s or SOON_S)
        case CredentialsLocked():
            await park(work, Code.ACCOUNT_LOCKED)
        case NotPermitted(status=402):
            await abort(work)
        case NotPermitted():
            await end_untried(work, Code.PERMISSION_MISSING)
        case _:
            await _failed_read(work, refused)


async def _failed_read(work: Work, refused: ApiError) -> None:
    """Use up an attempt of every edit: a read that keeps failing must end some day as well.

    Unless nobody answers there at all: that costs time, for edits in doubt as well, and no edit.
    """
    if not await work.session.lives():
        wait_for_api(work)
        return
    limit = work.hold.claim.campaign.policy.max_attempts
    untried = work.untried()
    over = [edit for edit in untried if edit.attempts + 1 >= limit]
    steps = [
        Step(line_no=edit.line_no, was=edit.state, state=edit.state, attempts=edit.attempts + 1)
        for edit in untried
        if edit.attempts + 1 < limit
    ]
    log.info("chunk.read_failed", chunk=work.hold.claim.chunk_id, status=refused.status)
    await work.record((step, None) for step in steps)
    status = refused.status or None
    await work.record(ended(work, over, EditState.FAILED, Code.UPSTREAM, http_status=status))
    await end_late(work)
    attempts = max((edit.attempts for edit in work.open.values()), default=0) + 1
    work.wait(backoff_s(attempts, roll=work.engine.roll()) + 1.0)


async def _lost(work: Work, code: Code) -> None:
    if code is Code.UNAUTHORIZED:
        await park(work, code)
    else:
        await end_untried(work, code)


async def _let_go(work: Work) -> None:
    """Release on the way out; where that fails the lease runs out by itself."""
    try:
        await _release(work)
    except WorkerError as known:
        log.warning("chunk.not_released", why=type(known).__name__)


async def _release(work: Work, *, rescued: bool = False) -> str:
    """Let go of the chunk. Only a run that has brought it further clears it of its deaths.

    Those that are stopped, refused or sent to wait in between would keep a deadly edit alive.
    """
    claim, engine = work.hold.claim, work.engine
    is_proven = claim.campaign.policy.verify != "none"
    try:
        released = await engine.db(
            engine.store.chunks.release,
            claim,
            retry_in_s=work.retry_in_s,
            verify_in_s=engine.settings.verify_delay if is_proven else engine.settings.settle,
            rescued=rescued,
            keeps_rescues=not work.has_moved,
            is_planned=work.is_planned,
            calls=work.hold.take_calls(),
        )
    except LeaseLost:
        return ""
    return str(released.state)
