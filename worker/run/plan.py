"""Plan: what was decided is written down for somebody to approve, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from msgspec.structs import replace

from worker.model import EditState, Image
from worker.rules.images import zones
from worker.run.work import Outcome, Ready, Work
from worker.store import Note, Step


async def plan(work: Work, ready: Sequence[Ready]) -> None:
    """Store the targets of edits, with how many people take part in their events."""
    await work.record([_planned(work, one) for one in ready])
    for one in ready:
        work.open[one.edit.line_no] = replace(one.edit, before=one.before, target=one.target)
    work.has_planned = bool(ready)


def _planned(work: Work, one: Ready) -> Outcome:
    edit, people = one.edit, work.events[one.edit.key].about.attendees
    internal = work.hold.claim.campaign.policy.internal_domains
    step = Step(
        line_no=edit.line_no,
        was=EditState.PENDING,
        state=EditState.PENDING,
        before=one.before,
        target=one.target,
        fields=one.fields,
        people=len(people),
        externals=sum(each.rpartition("@")[2] not in internal for each in people)
        if internal
        else 0,
        alike=_alike(work, one.before),
    )
    detail = work.digests(one.before, one.target) | {"fields": list(one.fields)}
    note = Note(actor=work.engine.owner, action="edit.planned", line_no=edit.line_no, detail=detail)
    return step, note


def _alike(work: Work, image: Image) -> str:
    """Return what stands for an event's zones, or for whole days, within a campaign.

    Keyed, since an image's zones are sealed: who looks over the column is not told them.
    """
    key = work.hold.claim.campaign.image_key or b""
    return blake2b(" ".join(zones(image.when)).encode(), key=key, digest_size=4).hexdigest()
