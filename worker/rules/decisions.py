"""What may be decided about an edit, and what it is decided from."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from worker.model import Code, EventKey, Image, Patch


class Earlier(Struct, gc=False, frozen=True, kw_only=True):
    """An edit that has been made: from `before` to `target`, by changing `fields`."""

    before: Image
    target: Image
    fields: tuple[str, ...]


class Wanted(Struct, gc=False, frozen=True, kw_only=True):
    """An edit as far as deciding needs it.

    `made` is what an equal, earlier edit has made of this very event: where it still is so, the
    edit is not made once more (features §4, 3).
    """

    patch: Patch
    key: EventKey
    made: Image | None = None
    #: what an undo takes back, or a retry makes once more; None when it is not known any more
    earlier: Earlier | None = None


class Change(Struct, gc=False, frozen=True, kw_only=True):
    """The event shall become `target`; `fields` are those that change, in the order of `FIELDS`."""

    before: Image
    target: Image
    fields: tuple[str, ...]


class Unchanged(Struct, frozen=True, kw_only=True):
    """The event is as asked."""


class Skip(Struct, frozen=True, kw_only=True):
    """A rule forbids the edit; `detail` holds the instants in question, never event text."""

    code: Code
    detail: str = ""


class Conflict(Struct, frozen=True, kw_only=True):
    """The event is not what it should have been before the edit."""

    code: Code
    fields: tuple[str, ...] = ()


class Refuse(Struct, frozen=True, kw_only=True):
    """The edit makes no sense for this event."""

    code: Code


Decision: TypeAlias = Change | Unchanged | Skip | Conflict | Refuse
