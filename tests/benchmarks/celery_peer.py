"""What people write today with Celery: a task for each event, on the official client.

`celery -A tests.benchmarks.celery_peer worker -c 8`. A refused task is retried when the
answer says, with up to a second of jitter, or after a doubling time where it says nothing.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from celery import Celery
from pycronofy.exceptions import PyCronofyRequestError

from tests.benchmarks.script import (
    Row,
    edit_one,
    open_client,
    read_rows,
    read_tokens,
    retry_after_s,
)

URL = os.environ.get("BENCHMARK_URL", "")

app = Celery("peer", broker=os.environ.get("BENCHMARK_REDIS", "memory://"))
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(bind=True, max_retries=None)
def edit(self: Any, token: str, row: Row) -> None:
    """Edit one event."""
    try:
        edit_one(open_client(URL, token), row)
    except PyCronofyRequestError as refused:
        after_s = retry_after_s(refused)
        if after_s is None:
            raise
        wait_s = after_s or min(2**self.request.retries, 60)
        raise self.retry(exc=refused, countdown=wait_s + random.random()) from refused


def send_all(folder: Path) -> None:
    """Queue a task for each line."""
    tokens = read_tokens(folder)
    with app.producer_or_acquire() as producer:
        for row in read_rows(folder):
            edit.apply_async((tokens[row["account"]], row), producer=producer)


if __name__ == "__main__":
    # By its name: as `__main__` the task would be called otherwise than the workers know it.
    from tests.benchmarks import celery_peer

    celery_peer.send_all(Path(sys.argv[1]))
