"""A flaw of kombu's Redis transport, mended: what could not be acknowledged takes up no thread.

kombu asks Redis for messages while fewer are out, unacknowledged, than there are threads. Where an
acknowledgement fails (Redis is away just then) Celery logs "Couldn't ack", and kombu counts the
message for ever. Once that has happened to each thread, with no request under way that would show
the loss of the connection, the worker never takes a message again, and says nothing (kombu 5.7,
measured: `tests/faults/test_rows_redis.py`). SQL knows the work, so nothing is lost with a message;
Redis offers it once more later, and the lease refuses it.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual


class FreeingQoS(redis.QoS):
    """Counts a message as out until its acknowledgement was tried."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge; raises what Redis's client raises."""
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Reject; the same."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def free_threads() -> None:
    """Have all channels to Redis of this process count so."""
    redis.Channel.QoS = FreeingQoS
