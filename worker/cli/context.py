"""What commands open: settings, the store, one look at the limiter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from worker.cli.reach import REACH_S
from worker.errors import LimiterUnavailable, NotFound, StoreUnavailable
from worker.limits import LimiterState
from worker.report import Pace, Snapshot, take_snapshot
from worker.settings import Settings
from worker.store import Campaign, Store

#: campaigns among which a mistyped name is looked for
RECENT = 500


@contextmanager
def opened_store(settings: Settings, *, check_schema: bool = True) -> Iterator[Store]:
    """Open the store for one command. Raises StoreUnavailable with what to do."""
    from worker.app import open_store

    if check_schema:
        refuse_missing_file(settings.database_url)
    store = open_store(settings, check_schema=check_schema)
    try:
        yield store
    finally:
        store.database.dispose()


def refuse_missing_file(url: str) -> None:
    """Refuse a SQLite file that is not there: opening it would leave an empty one behind."""
    if url.startswith("sqlite:///") and not Path(_file_of(url)).exists():
        raise StoreUnavailable(
            "There is no database at CALPATCH_DATABASE_URL yet", next_step="Run `calpatch migrate`"
        )


def _file_of(url: str) -> str:
    return url.removeprefix("sqlite:///").partition("?")[0]


def find_campaign(store: Store, name: str | None) -> Campaign:
    """Return the campaign of that id or key, or the latest. Raises NotFound."""
    campaign = store.campaigns.get(name) if name else store.campaigns.latest()
    if campaign is None:
        if name is None:
            raise NotFound("There is no campaign yet", next_step="`calpatch submit` makes one")
        step = f"{_alike(store, name)}`calpatch list` shows all"
        raise NotFound(f"No campaign has the id or key {name}", next_step=step)
    return campaign


def _alike(store: Store, name: str) -> str:
    """Return a question about the recent campaign whose name is most like it, or nothing."""
    names = [each for one in store.campaigns.newest(limit=RECENT) for each in (one.key, one.id)]
    found = get_close_matches(name, names, n=1)
    return f"Did you mean {found[0]}? " if found else ""


def pace_of(settings: Settings) -> Pace:
    """Return what the limit allows. Raises SettingsError for a rate that makes no sense."""
    from worker.app import limiter_of

    limiter_of(settings)  # refuses a wrong rate and a wrong address in one line; connects nowhere
    return Pace.of(settings)


def look_at_limiter(settings: Settings) -> tuple[LimiterState | None, str]:
    """Ask Redis what is used now; None and the reason when it does not answer."""
    return asyncio.run(_ask_limiter(settings))


async def _ask_limiter(settings: Settings) -> tuple[LimiterState | None, str]:
    from worker.app import limiter_of

    limiter = limiter_of(settings)
    try:
        async with asyncio.timeout(REACH_S):
            return await limiter.state(), ""
    except LimiterUnavailable as down:
        return None, down.message
    except TimeoutError:
        return None, f"The rate limiter's Redis does not answer within {REACH_S:g} s"
    finally:
        await limiter.aclose()


def look_at(
    settings: Settings, store: Store, campaign_id: str, *, redis_fault: str = ""
) -> Snapshot:
    """Take one look at a campaign, the limiter's state included.

    With `redis_fault`, why Redis did not answer just now, it is not asked again: somebody waits.
    """
    limiter, fault = (None, redis_fault) if redis_fault else look_at_limiter(settings)
    return snapshot(
        store, campaign_id, pace=pace_of(settings), limiter=limiter, limiter_fault=fault
    )


def snapshot(
    store: Store,
    campaign_id: str,
    *,
    pace: Pace,
    limiter: LimiterState | None = None,
    limiter_fault: str = "",
) -> Snapshot:
    """Take a snapshot now. Raises NotFound."""
    look = take_snapshot(
        store,
        campaign_id,
        at=datetime.now(UTC),
        pace=pace,
        limiter=limiter,
        limiter_fault=limiter_fault,
    )
    if look is None:
        raise NotFound(f"No campaign has the id {campaign_id}")
    return look
