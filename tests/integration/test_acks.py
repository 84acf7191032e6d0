"""What Redis does not acknowledge takes up no thread of a worker (row 5)."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from kombu import Connection

from tasks import acks
from worker.embedded import valkey_server

pytestmark = [pytest.mark.redis, pytest.mark.row(5)]


@pytest.mark.parametrize("way", ["ack", "reject"])
def test_a_message_that_cannot_be_acknowledged_frees_its_thread(way: str) -> None:
    """Of one message at a time: the error is told, and the next one may come."""
    acks.free_threads()
    with valkey_server() as valkey, Connection(valkey.url) as connection:
        queue = connection.SimpleQueue("work")
        queue.put({})
        qos: Any = queue.channel.qos
        qos.prefetch_count = 1
        message = queue.get(timeout=5)
        assert not qos.can_consume()
        valkey.kill()

        with pytest.raises(redis.ConnectionError):
            getattr(message, way)()

        assert qos.can_consume()
        valkey.start()  # what is left over is given back when the connection is closed
