"""The nodes of a campaign file: each value with its place, so that whatever is wrong can be shown.

A node that has been found wrong is not judged again: one fault is one problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

from worker.intake.problems import Problems

Scalar: TypeAlias = str | int | float | bool | None

#: values that are never shown: text for events is personal, and an address may hold a secret
_HIDDEN = re.compile(r"\.set\.\w+|\.(?:with|text|webhook)")


class Mark(NamedTuple):
    """A place in the file; both count from 1, `position` in characters."""

    line: int
    position: int


@dataclass(slots=True, kw_only=True)
class Node:
    """A value: a scalar, a list, or a mapping by its keys.

    `key` is where its key stands, None in a list and at the top. `path` is made of keys and, for
    lists, of numbers from 0, as in transform[0].shift.
    """

    value: Scalar | list[Node] | dict[str, Node]
    path: str
    mark: Mark
    key: Mark | None = None
    #: a scalar as it is written, without its quotes
    text: str = ""
    is_faulty: bool = False

    @property
    def place(self) -> Mark:
        """Where to look: a mapping or a list begins where its key stands."""
        return self.key if self.key and not self.text else self.mark

    def child(self, key: str) -> Node | None:
        """Returns the value of a key; None when this is no mapping, or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at(self, path: Iterable[str | int]) -> Node:
        """Returns the node that keys and numbers lead to from here, as they have led before."""
        node = self
        for step in path:
            node = cast("dict[str | int, Node]", node.value)[step]
        return node

    def plain(self) -> Any:
        """Returns the value alone, without places, all the way down."""
        match self.value:
            case dict():
                return {key: node.plain() for key, node in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
            case _:
                return self.value

    def note(self, found: Problems, error: str | ValueError, *, key: str = "") -> None:
        """Takes a problem down at this node's place; `key` is one that the mapping lacks."""
        path = joined(self.path, key) if key else self.path
        line, position = self.place
        value = "" if key or _HIDDEN.search(self.path) else self.text
        found.note(error, line=line, column=path, value=value, position=position)

    def note_key(self, found: Problems, error: str | ValueError) -> None:
        """Takes a problem with this node's key down, where the key stands."""
        line, position = self.key or self.mark
        found.note(error, line=line, column=self.path, position=position)


def joined(path: str, key: str) -> str:
    """Returns the path of a key below a path."""
    return f"{path}.{key}" if path else key
