"""The two tasks that do the work. Messages carry an id and nothing else; both may run twice."""

from __future__ import annotations

from celery.exceptions import Reject

from tasks.celery import app
from tasks.runner import Cancelled, current, note_left
from tasks.upkeep import top_up
from worker.dispatch import RUN_CHUNK, VERIFY_ACCOUNT
from worker.errors import WorkerError
from worker.run import run_chunk
from worker.verify import verify_account


@app.task(name=RUN_CHUNK)
def run(chunk_id: str) -> None:
    """Run a chunk, then announce the next ones."""
    try:
        became = current().run(lambda engine: run_chunk(engine, str(chunk_id)))
    except Cancelled as stopped:
        raise Reject(reason="stopping", requeue=True) from stopped
    except WorkerError as known:
        # SQL knows the chunk; the lease ends by itself. One line tells it, no traceback.
        note_left("chunk.left", known)
        return
    if became:
        top_up()


@app.task(name=VERIFY_ACCOUNT)
def verify(sub: str) -> None:
    """Read back what an account's chunks wait for, then announce the next ones."""
    try:
        ended = current().run(lambda engine: verify_account(engine, str(sub)))
    except Cancelled as stopped:
        raise Reject(reason="stopping", requeue=True) from stopped
    except WorkerError as known:
        note_left("verify.left", known)
        return
    if ended:
        top_up()
