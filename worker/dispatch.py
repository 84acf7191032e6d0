"""Handing chunk ids to Celery: the only place in `worker` that knows it.

A message says "work may exist in chunk C" and carries nothing else (law 1). What is due is marked
in SQL first and published after; whatever gets lost in between is due again a little later.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil
from typing import Any

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import KombuError

from worker import points
from worker.errors import BrokerUnavailable
from worker.limits import parse_rate
from worker.rules import Pick
from worker.settings import Settings
from worker.store import Due, Store

log = structlog.get_logger(__name__)

RUN_CHUNK = "calpatch.run_chunk"
VERIFY_ACCOUNT = "calpatch.verify_account"
#: sent by other programs, to have a file submitted
SUBMIT = "calpatch.submit"
#: In this order: what keeps everything going, then people, then the night.
QUEUES = ("upkeep", "interactive", "bulk")
#: Priorities, 0 being the highest. A worker looks at all queues' lists of one priority before it
#: looks at the next one's, so that a campaign's first chunks overtake what others have out.
PRIORITIES = (0, 3, 6, 9)
_FIRST_THEN = {"interactive": (0, 3), "bulk": (6, 9)}
#: What kombu puts between a queue's name and a priority; the list of priority 0 has the bare name.
_SEPARATOR = "\x06\x16"
KEY_PREFIX = "calpatch:"

#: Weight out at a time that a limit of up to so many calls a second needs.
LEAST_WINDOW = 64
#: The same where nothing limits the calls.
UNLIMITED_WINDOW = 512


#: Seconds that a command waits for Redis to take a message.
PATIENCE_S = 3
#: What kombu needs to know of Redis.
TRANSPORT: dict[str, Any] = {
    # Longer than any chunk runs: a shorter one copies running messages (row 3).
    "visibility_timeout": 900,
    # Without both, redelivery comes a hundred seconds late (row 4).
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # A half-open link leaves a worker deaf, a publisher hanging otherwise (rows 7, 11).
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "global_keyprefix": KEY_PREFIX,
    # What keeps everything else going comes first, then people, then the night.
    "queue_order_strategy": "priority",
    "priority_steps": list(PRIORITIES),
}


def broker_settings(settings: Settings) -> dict[str, Any]:
    """Return the broker's part of Celery's configuration, the same for publishers and workers.

    Row numbers are those of README's table "Celery settings".
    """
    return {
        "broker_url": settings.redis_url,
        # Redis may be down when we start, and come back whenever it likes.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_limit": 10,
        "broker_transport_options": TRANSPORT,
        # Each queue with an exchange and a key of its own: Celery would bind them all alike, and
        # then every message goes to every queue. An unknown queue is a typo, not a wish.
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        "task_default_queue": "bulk",
        "task_create_missing_queues": False,
        # No payload but JSON, in or out (row B36): a message cannot run code.
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_backend": None,
        "task_ignore_result": True,
        "task_publish_retry": True,
        "task_publish_retry_policy": {
            "max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5,
        },
    }  # fmt: skip


#: What a publisher of its own, as in a command, asks of the link: somebody waits for the answer,
#: and a message that is not sent now is sent by the clock (row 7).
_ONCE: dict[str, Any] = {
    "broker_transport_options": TRANSPORT
    | {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S, "max_retries": 0},
    "task_publish_retry": False,
}


class Publisher:
    """Publishes what is due; a context manager, since it holds connections.

    With a worker's `app` it tries again for a while, on its own it asks once and briefly.
    """

    def __init__(self, settings: Settings, *, app: Celery | None = None) -> None:
        self._owned = app is None
        self._app = app or Celery("calpatch-publisher", set_as_current=False)
        if self._owned:
            self._app.conf.update(broker_settings(settings) | _ONCE)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self._app.close()

    def publish(self, due: Due) -> int:
        """Send a message for each chunk and account, and count them. Raises BrokerUnavailable."""
        try:
            with self._app.producer_pool.acquire(block=True, timeout=10) as producer:
                for pick in due.runs:
                    self._send(producer, RUN_CHUNK, pick.candidate.chunk_id, pick=pick)
                for pick in due.proofs:
                    self._send(producer, VERIFY_ACCOUNT, pick.candidate.account, pick=pick)
        except (KombuError, OSError) as broken:
            raise BrokerUnavailable(
                "Redis does not take messages",
                next_step="Nothing is lost: the clock sends them once it is back",
            ) from broken
        return len(due.runs) + len(due.proofs)

    def drop_waiting(self, queue: str) -> None:
        """Drop the messages that wait in a queue, where all say the same. A dead Redis has none."""
        with (
            suppress(KombuError, OSError),
            self._app.producer_pool.acquire(block=True, timeout=10) as producer,
        ):
            channel: Any = producer.channel
            channel.queue_purge(queue)

    def _send(self, producer: Any, task: str, name: str, *, pick: Pick) -> None:
        first, then = _FIRST_THEN[pick.lane]
        points.reach("publish.before")
        self._app.send_task(
            task,
            args=[name],
            queue=pick.lane,
            priority=first if pick.is_first else then,
            producer=producer,
            ignore_result=True,
        )
        points.reach("publish.after")


def relay(store: Store, publisher: Publisher, settings: Settings) -> int:
    """Publish what is due, up to the window, and count it. Raises BrokerUnavailable."""
    due = store.queue.take_due(window=window_of(settings), resend_after_s=settings.resend_after)
    if not due.runs and not due.proofs:
        return 0
    try:
        return publisher.publish(due)
    except BrokerUnavailable:
        store.queue.forget_dispatch(due)
        raise


def window_of(settings: Settings) -> int:
    """Return the weight of chunks out at a time: what the limit can be kept busy with.

    The shortest window tells how many calls may be under way at once. Raises ValueError for a rate
    that makes no sense.
    """
    if settings.window is not None:
        return settings.window
    windows = parse_rate(settings.rate).windows
    if not windows:
        return UNLIMITED_WINDOW
    shortest = min(windows, key=lambda each: each.seconds)
    return max(LEAST_WINDOW, ceil(settings.share * shortest.requests / shortest.seconds))


def message_lists(queue: str) -> list[str]:
    """Return the names of the lists in Redis that hold a queue's messages, one for a priority."""
    rest = [f"{KEY_PREFIX}{queue}{_SEPARATOR}{step}" for step in PRIORITIES if step]
    return [f"{KEY_PREFIX}{queue}", *rest]
