"""Sweep: what the clock does every second. Harmless when it runs twice, or in two places at once.

It ends campaigns whose edits are all final, takes poisonous chunks apart, and announces what is
due: new chunks, those whose "retry at" has come or whose worker is gone, accounts to read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from worker.dispatch import Publisher, relay
from worker.errors import BrokerUnavailable, Held, StoreUnavailable
from worker.model import DEADLINE_PASSED, CampaignState
from worker.rules import is_open, opens_at
from worker.settings import Settings
from worker.store import Campaign, Store

log = structlog.get_logger(__name__)

#: the name under which the clock leaves its sign of life
CLOCK = "clock"
#: who acts when nobody does
ITSELF = "calpatch"


def sweep(store: Store, publisher: Publisher, settings: Settings) -> int:
    """Do one round; returns how many messages were sent."""
    keep_time(store)
    settle_all(store)
    take_apart_poison(store)
    store.queue.beat(CLOCK)
    try:
        return relay(store, publisher, settings)
    except BrokerUnavailable:
        log.warning("relay.broker_unavailable")
        return 0


def keep_time(store: Store) -> None:
    """End plans that nobody has approved in time, and keep campaigns to their hours."""
    now, timed = store.steering.timed()
    for campaign in timed:
        try:
            if now is not None:
                _keep_time(store, campaign, now)
        except (StoreUnavailable, Held) as refused:
            log.warning("sweep.refused", name=campaign.id, why=refused.message)


def _keep_time(store: Store, campaign: Campaign, now: datetime) -> None:
    run, state = campaign.run, campaign.state
    if run.deadline is not None and now >= run.deadline:
        why = "its deadline has passed"
        store.steering.cancel(campaign.id, actor=ITSELF, reason=why, why=DEADLINE_PASSED)
        log.info("campaign.deadline_passed", campaign=campaign.id)
    elif state is CampaignState.AWAITING_APPROVAL:
        if campaign.expires_at is not None and now >= campaign.expires_at:
            store.plans.expire(campaign.id)
            log.info("plan.expired", campaign=campaign.id)
    elif is_open(run, now):
        if state is CampaignState.SCHEDULED:
            store.steering.open_hours(campaign.id, is_open=True)
    elif state is CampaignState.RUNNING:
        opens = opens_at(run, now)
        when = f"until {opens:%Y-%m-%d %H:%MZ}" if opens else "for ever"
        store.steering.open_hours(campaign.id, is_open=False, why=f"outside of its hours {when}")


def settle_all(store: Store) -> list[str]:
    """End every campaign whose edits are all final; returns those that ended.

    Looks first, so that SQLite's one writer is not held up every second.
    """
    ended = _each(store.campaigns.unsettled(), store.campaigns.settle)
    for campaign_id in ended:
        log.info("campaign.ended", campaign=campaign_id)
    return ended


def take_apart_poison(store: Store) -> list[str]:
    """Take apart every chunk whose workers died too often; returns them."""
    taken_apart = _each(store.queue.poisoned(), store.queue.take_apart)
    for chunk_id in taken_apart:
        log.warning("chunk.poisoned", chunk=chunk_id)
    return taken_apart


def _each(names: Iterable[str], deed: Callable[[str], bool]) -> list[str]:
    """Return those for which the deed was done. What is refused for one holds up no other."""
    done = []
    for name in names:
        try:
            if deed(name):
                done.append(name)
        except StoreUnavailable as refused:
            log.warning("sweep.refused", name=name, why=refused.message)
    return done
