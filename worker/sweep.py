"""Sweep: what the clock does every second. Harmless when it runs twice, or in two places at once.

It ends campaigns whose edits are all final, takes poisonous chunks apart, and announces what is
due: new chunks, those whose "retry at" has come or whose worker is gone, accounts to read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from worker.dispatch import Publisher, relay
from worker.errors import BrokerUnavailable, StoreUnavailable
from worker.settings import Settings
from worker.store import Store

log = structlog.get_logger(__name__)

#: the name under which the clock leaves its sign of life
CLOCK = "clock"


def sweep(store: Store, publisher: Publisher, settings: Settings) -> int:
    """Do one round; returns how many messages were sent."""
    settle_all(store)
    take_apart_poison(store)
    store.queue.beat(CLOCK)
    try:
        return relay(store, publisher, settings)
    except BrokerUnavailable:
        log.warning("relay.broker_unavailable")
        return 0


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
