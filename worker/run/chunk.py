"""The pipe of one chunk, and what each kind of failure means for it.

Nothing here knows Celery. Every error ends in one of three ways: edits end by name, the chunk waits
for another run, or the lease is left to run out.
"""

from __future__ import annotations

import asyncio

import structlog

from worker.engine import Engine, Hold, holding
from worker.errors import (
    ApiError,
    CredentialsLocked,
    LeaseLost,
    LimiterUnavailable,
    NotPermitted,
    RateLimited,
    StoreUnavailable,
    TokenLost,
)
from worker.limits import WaitTooLong
from worker.model import AccountStatus, Code, EditState
from worker.rules import backoff_s
from worker.run.apply import abort, apply
from worker.run.fetch import fetch_calendars, fetch_events
from worker.run.locked import end_untried, park, why_unusable
from worker.run.settle import not_attempted, settle_all
from worker.run.work import SENDING_STATES, Work, ended
from worker.store import Claim, Step

log = structlog.get_logger(__name__)

#: seconds until a chunk is tried again whose limiter or API could not be asked
SOON_S = 5.0


async def run_chunk(engine: Engine, chunk_id: str) -> str:
    """Run a chunk once; returns what it became, "" when there was nothing to claim.

    Safe to call at any time, in any number of places: the lease admits one.
    """
    claim = await engine.db(
        engine.store.chunks.claim, chunk_id, owner=engine.owner, lease_s=engine.settings.lease
    )
    if claim is None:
        log.debug("chunk.not_claimed", chunk=chunk_id)
        return ""
    async with holding(engine, [claim]) as [hold]:
        return await _run_held(engine, claim, hold)


async def _run_held(engine: Engine, claim: Claim, hold: Hold) -> str:
    work = _open(engine, claim, hold)
    rescued = False
    try:
        await _pipe(work)
    except LeaseLost:
        log.warning("chunk.lease_lost", chunk=claim.chunk_id)
        return ""
    except StoreUnavailable:
        # Nothing can be written, not even the release: the lease runs out by itself.
        log.warning("chunk.store_unavailable", chunk=claim.chunk_id)
        raise
    except asyncio.CancelledError:
        await asyncio.shield(_release(work, rescued=False))
        raise
    except Exception:
        log.exception("chunk.crashed", chunk=claim.chunk_id)
        work.wait(backoff_s(claim.rescues + 1, roll=engine.roll()) + 1.0)
        rescued = True
    return await _release(work, rescued=rescued)


def _open(engine: Engine, claim: Claim, hold: Hold) -> Work:
    return Work(
        engine=engine,
        hold=hold,
        session=engine.session(claim.account, hold.calls),
        open={edit.line_no: edit for edit in claim.edits},
        until=engine.clock.monotonic() + engine.settings.chunk_budget,
        campaign_state=claim.campaign.state,
    )


async def _pipe(work: Work) -> None:
    """fetch → decide → intend → apply → record, with the API's refusals turned into outcomes."""
    claim = work.hold.claim
    if claim.campaign.state not in SENDING_STATES:
        await work.record(not_attempted(work))
    if not any(edit.state is not EditState.ACCEPTED for edit in work.open.values()):
        return
    if not claim.account.usable:
        await end_untried(work, why_unusable(claim.account))
        return
    try:
        await _fetch_and_apply(work)
    except ApiError as refused:
        await _refused(work, refused)
    except TokenLost as lost:
        await _lost(work, Code(lost.reason))
    except (LimiterUnavailable, WaitTooLong):
        log.warning("chunk.no_grant", chunk=claim.chunk_id)
        work.wait(SOON_S)


async def _fetch_and_apply(work: Work) -> None:
    calendars = await fetch_calendars(work)
    work.events = await fetch_events(work, calendars)
    if work.hold.claim.account.status is not AccountStatus.ACTIVE:
        await _unpark(work)
    ready, outcomes = settle_all(work, calendars)
    await work.record(outcomes)
    await apply(work, ready)


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
            work.wait(refused.retry_after_s or SOON_S)
        case CredentialsLocked():
            await park(work, Code.ACCOUNT_LOCKED)
        case NotPermitted(status=402):
            await abort(work)
        case NotPermitted():
            await end_untried(work, Code.PERMISSION_MISSING)
        case _:
            await _failed_read(work, refused)


async def _failed_read(work: Work, refused: ApiError) -> None:
    """Use up an attempt of every edit: a read that keeps failing must end some day as well."""
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
    late = [
        edit
        for edit in work.in_doubt()
        if (edit.sent_age_s or 0.0) > work.engine.settings.verify_within
    ]
    await work.record(ended(work, late, EditState.UNVERIFIED, Code.NOT_READ_BACK))
    attempts = max((edit.attempts for edit in work.open.values()), default=0) + 1
    work.wait(backoff_s(attempts, roll=work.engine.roll()) + 1.0)


async def _lost(work: Work, code: Code) -> None:
    if code is Code.UNAUTHORIZED:
        await park(work, code)
    else:
        await end_untried(work, code)


async def _release(work: Work, *, rescued: bool) -> str:
    claim, engine = work.hold.claim, work.engine
    try:
        released = await engine.db(
            engine.store.chunks.release,
            claim,
            retry_in_s=work.retry_in_s,
            verify_in_s=engine.settings.verify_delay,
            rescued=rescued,
            calls=work.hold.take_calls(),
        )
    except LeaseLost:
        return ""
    return str(released.state)
