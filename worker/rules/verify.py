"""Judging what a later read says about an accepted edit (law 6).

Values are compared, never `updated`: whether that moves is not documented (cronofy-api §9).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from worker.model import Code, Event, Image
from worker.rules.images import ENDS, TEXTS, differences, missing, untold


class Proven(Struct, frozen=True, kw_only=True):
    """The target is there, and nothing that was not touched is lost."""


class NotYet(Struct, frozen=True, kw_only=True):
    """The read proves nothing so far; read again later."""


class Mismatch(Struct, frozen=True, kw_only=True):
    """The event is not what was asked; `fields` tells where, "conference" among them."""

    code: Code
    fields: tuple[str, ...]


class Unproven(Struct, frozen=True, kw_only=True):
    """Nothing can be proven any more, neither way."""

    code: Code


Proof: TypeAlias = Proven | NotYet | Mismatch | Unproven


def judge_proof(
    before: Image,
    target: Image,
    fields: tuple[str, ...],
    event: Event | None,
    *,
    time_is_up: bool,
    in_sight: bool,
) -> Proof:
    """Return what a read says about an edit that changed `fields`.

    `in_sight` tells whether the target lies in the readable window at all (`is_in_sight`). A field
    that was not touched and now has another value is somebody else's edit; one that was emptied
    counts as lost by ours, because the API does not promise to keep what is left out.
    """
    if event is None:
        # A moved event is shown for having been inside the window before: it may only be late.
        code = Code.NOT_READ_BACK if in_sight else Code.OUT_OF_SIGHT
        return Unproven(code=code) if time_is_up else NotYet()
    if event.deleted:
        return Unproven(code=Code.GONE_SINCE)
    unseen = missing(target, event.image, fields={*fields, *ENDS})
    if not unseen:
        return _judge_losses(before, event.image, fields=fields)
    if not time_is_up:
        return NotYet()
    return _judge_late(before, event.image, fields=fields, unseen=unseen)


def lost_fields(before: Image, seen: Image, *, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is gone from an event although the edit did not touch it."""
    emptied = [
        name
        for name in TEXTS
        if name not in fields and getattr(before, name).strip() and not getattr(seen, name).strip()
    ]
    if "transparency" not in fields and "transparency" in differences(before, seen):
        emptied.append("transparency")
    if before.conference and not seen.conference:
        emptied.append("conference")
    return tuple(emptied)


def _judge_losses(before: Image, seen: Image, *, fields: tuple[str, ...]) -> Proven | Mismatch:
    lost = lost_fields(before, seen, fields=fields)
    if not lost:
        return Proven()
    code = Code.CONFERENCE_LOST if "conference" in lost else Code.SIDE_EFFECT
    return Mismatch(code=code, fields=lost)


def _judge_late(
    before: Image, seen: Image, *, fields: tuple[str, ...], unseen: tuple[str, ...]
) -> Mismatch | Unproven:
    if untold(before, seen).issuperset(unseen):
        # This provider does not tell it: neither proof nor disproof will ever come.
        return Unproven(code=Code.NOT_READ_BACK)
    if not differences(before, seen, fields={*fields, *ENDS}):
        return Mismatch(code=Code.NO_EFFECT, fields=fields)
    return Mismatch(code=Code.DIFFERS, fields=unseen)
