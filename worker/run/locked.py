"""Accounts and calendars that cannot be used: what their edits become, and who is told."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from worker.errors import ApiError
from worker.model import AccountStatus, Code, EditState
from worker.run.work import Work, ended
from worker.store import Account

#: seconds until a chunk is looked at again that only time or a person can help
LONG_S = 60.0


async def close_calendars(work: Work, answered: AbstractSet[str]) -> None:
    """Find out how far a 423 reaches: credentials are a profile's, and an account may have several.

    With no live profile left the whole account is parked; if that cannot be told, it is as well.
    """
    engine = work.engine
    try:
        info = await work.session.use(
            lambda access: engine.client.account(access, calls=work.hold.calls)
        )
    except ApiError:
        await park(work, Code.ACCOUNT_LOCKED)
        return
    dead = {
        one for profile in info.profiles if not profile.connected for one in profile.calendar_ids
    }
    if not any(profile.connected for profile in info.profiles):
        await park(work, Code.ACCOUNT_LOCKED)
    for calendar_id in answered | dead:
        work.closed[calendar_id] = Code.ACCOUNT_LOCKED


async def park(work: Work, code: Code) -> None:
    """Take an account out of use for a while; its untried edits end, those in doubt wait."""
    engine, account = work.engine, work.hold.claim.account
    await engine.db(
        engine.store.accounts.set_status,
        account.sub,
        AccountStatus.PARKED,
        reason=str(code),
        retry_in_s=engine.settings.parked_retry,
        actor=engine.owner,
    )
    await end_untried(work, code)


async def end_untried(work: Work, code: Code) -> None:
    """End the edits that were not sent, for a reason that is their account's; judge those in doubt.

    A locked account skips them (its owner reconnects, and the file is submitted again); one whose
    authorization is gone fails them.
    """
    state = (
        EditState.SKIPPED
        if code in {Code.ACCOUNT_LOCKED, Code.PERMISSION_MISSING}
        else EditState.FAILED
    )
    await work.record(ended(work, work.untried(), state, code))
    await end_late(work, at_once=code is Code.ACCOUNT_LOST)
    if work.in_doubt():
        work.wait(LONG_S)


async def end_late(work: Work, *, at_once: bool = False) -> None:
    """End the edits in doubt that nobody could read for as long as a read may prove them."""
    late = [
        edit
        for edit in work.in_doubt()
        if at_once or (edit.sent_age_s or 0.0) > work.engine.settings.verify_within
    ]
    await work.record(ended(work, late, EditState.UNVERIFIED, Code.NOT_READ_BACK))


def why_unusable(account: Account) -> Code:
    """Return the code for edits of an account that is parked or lost."""
    known = {
        str(Code.ACCOUNT_LOCKED): Code.ACCOUNT_LOCKED,
        str(Code.UNAUTHORIZED): Code.UNAUTHORIZED,
    }
    if account.status is AccountStatus.LOST:
        return Code.ACCOUNT_LOST
    return known.get(account.reason, Code.ACCOUNT_LOCKED)
