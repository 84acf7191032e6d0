"""What to do about an edit that may have been sent already: after a crash or a doubt.

Law 5: the target seen is done, the before-image seen is sent again, anything else is a conflict.
Only the fields that the edit changes and the two ends decide; the rest may have been edited by
people.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from worker.model import Code, Event, Image
from worker.rules.bars import event_bar, target_bar
from worker.rules.decisions import Conflict, Skip
from worker.rules.images import ENDS, changed, differences, missing, with_fields


class Settled(Struct, frozen=True, kw_only=True):
    """The event shows the target: nothing is left to send."""


class SendAgain(Struct, frozen=True, kw_only=True):
    """The event still is as before: send `target`, and store both images first.

    They are rebased on the event as it is now, so that an untouched field goes out with its current
    value, and so that verifying does not take somebody else's edit for a loss.
    """

    before: Image
    target: Image


class Wait(Struct, frozen=True, kw_only=True):
    """The event cannot be seen, but the write may have taken: only a later read can tell."""


Reconciliation: TypeAlias = Settled | SendAgain | Wait | Skip | Conflict


def reconcile(
    before: Image, target: Image, event: Event | None, *, was_sent: bool
) -> Reconciliation:
    """Return how a stored edit goes on, from what the event shows now.

    `was_sent` tells that a write may have left earlier. A target that is there counts as settled
    even if the event has been locked since.
    """
    if event is None:
        return Wait() if was_sent else Skip(code=Code.NOT_FOUND)
    barred = event_bar(event)
    if barred is not None and barred.code is Code.DELETED:
        return barred
    fields = changed(before, target)
    deciding = {*fields, *ENDS}
    if not missing(target, event.image, fields=deciding):
        return Settled()
    if barred is not None:
        return barred
    theirs = differences(before, event.image, fields=deciding)
    if theirs:
        return Conflict(code=Code.CHANGED_ELSEWHERE, fields=theirs)
    rebased = with_fields(event.image, target, fields=fields)
    return target_bar(rebased, fields=fields) or SendAgain(before=event.image, target=rebased)
