"""Sweep: what the clock does every second. Harmless when it runs twice, or in two places at once.

It ends campaigns whose edits are all final, takes poisonous chunks apart, and announces what is
due: new chunks, those whose "retry at" has come or whose worker is gone, accounts to read back.
"""

from __future__ import annotations

import structlog

from worker.dispatch import Publisher, relay
from worker.errors import BrokerUnavailable
from worker.settings import Settings
from worker.store import Store

log = structlog.get_logger(__name__)

#: the name under which the clock leaves its sign of life
CLOCK = "clock"


def sweep(store: Store, publisher: Publisher, settings: Settings) -> int:
    """Do one round; returns how many messages were sent."""
    for campaign_id in store.campaigns.settle_all():
        log.info("campaign.ended", campaign=campaign_id)
    for chunk_id in store.queue.take_apart_poison():
        log.warning("chunk.poisoned", chunk=chunk_id)
    store.queue.beat(CLOCK)
    try:
        return relay(store, publisher, settings)
    except BrokerUnavailable:
        log.warning("relay.broker_unavailable")
        return 0
