"""Reading a campaign file key by key, once its form has been judged.

A value that is missing, or has been found wrong, is read as something harmless: it has been taken
down, and the file is refused in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from worker.intake.campaign.nodes import Node
from worker.intake.problems import Problems

T = TypeVar("T")
D = TypeVar("D")


class Part:
    """A node, or the lack of one, and where its problems are taken down."""

    def __init__(self, node: Node | None, found: Problems) -> None:
        self._node = None if node is None or node.is_faulty else node
        self._found = found

    def __bool__(self) -> bool:
        """Tells that there is something to read."""
        return self._node is not None

    def __getitem__(self, key: str) -> Part:
        """The part at a key, which may be no part at all."""
        return Part(self._node.child(key) if self._node else None, self._found)

    def __iter__(self) -> Iterator[Part]:
        """The entries of a list."""
        nodes = self._node.value if self._node and isinstance(self._node.value, list) else ()
        return (Part(node, self._found) for node in nodes)

    @property
    def value(self) -> Any:
        """What stands there; None for nothing, a list and a mapping."""
        value = self._node.value if self._node else None
        return None if isinstance(value, list | dict) else value

    @property
    def line(self) -> int:
        """The line where it begins; 0 for nothing."""
        return self._node.place.line if self._node else 0

    @property
    def keys(self) -> list[str]:
        """The keys of a mapping, as the file has them."""
        value = self._node.value if self._node else None
        return [*value] if isinstance(value, dict) else []

    def read(self, check: Callable[[Any], T], *, otherwise: D) -> T | D:
        """Returns what a check makes of the value.

        Otherwise, for nothing and for what the check refuses with a ValueError, the other thing.
        """
        if self._node is None or self.value is None:
            return otherwise
        try:
            return check(self.value)
        except ValueError as error:
            self.refuse(error)
            return otherwise

    def each(self, check: Callable[[Any], T]) -> tuple[T, ...]:
        """Returns what a check makes of each entry of a list, in a fixed order and once."""
        read = (part.read(check, otherwise=None) for part in self)
        return tuple(sorted({entry for entry in read if entry is not None}, key=str))

    def note(self, error: str | ValueError) -> None:
        """Takes one of several problems down here."""
        if self._node is not None:
            self._node.note(self._found, error)

    def refuse(self, error: str | ValueError) -> None:
        """Takes a problem down here, and has nothing to read from now on."""
        self.note(error)
        if self._node is not None:
            self._node.is_faulty = True
            self._node = None
