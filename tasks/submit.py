"""The task by which other programs submit: its message names a file in the inbox, and no edits."""

from __future__ import annotations

import threading
from typing import Any

from celery.exceptions import Reject

from tasks.celery import app
from tasks.runner import Cancelled, current, note_left
from worker.dispatch import SUBMIT
from worker.errors import StoreUnavailable, WorkerError
from worker.unattended import submit_from_inbox

#: seconds after which a message is given back that nothing could be done about: the database is
#: away, and others would get it at once
GIVE_BACK_S = 2.0


# Acknowledged late whatever the setting: until it is stored, SQL does not know of it, and the
# message is all there is. Twice is once, by the key.
@app.task(name=SUBMIT, acks_late=True)
def submit(file: str = "", **terms: Any) -> dict[str, Any]:
    """Submit a file of CALPATCH_INBOX; `terms` are the options of `calpatch submit`.

    Returns what is left beside the file as well.
    """
    try:
        engine = current().engine
    except Cancelled as stopped:
        raise Reject(reason="stopping", requeue=True) from stopped
    except WorkerError as known:
        raise _later(known) from known
    try:
        return submit_from_inbox(engine.settings, engine.store, str(file), terms)
    except StoreUnavailable as away:
        raise _later(away) from away


def _later(why: WorkerError) -> Reject:
    note_left("submit.left", why)
    threading.Event().wait(GIVE_BACK_S)
    return Reject(reason=type(why).__name__, requeue=True)
