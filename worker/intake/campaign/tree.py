"""From the text of a YAML file to its nodes, by the parser's events.

YAML's traps are closed: `yes`, `on` and 20:00 are texts as in YAML 1.2, dates stay as they are
written, a key given twice is a problem, and there are no aliases (which may grow without end), no
tags (which may name code), no merge keys and no second document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from worker.intake.campaign.nodes import Mark, Node, Scalar, joined
from worker.intake.campaign.syntax import note_syntax
from worker.intake.problems import CellError, Problems, refused, shown
from worker.intake.values import control_in

#: levels; the schema has eight
DEEPEST: Final = 16

_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
#: no more digits than any number here has: thousands of them take long to read
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]{1,15}|[0-9]{1,15}(?:\.[0-9]{0,15})?)(?:[eE][-+]?[0-9]{1,2})?"
)
#: a comment that may have been meant as a part of the text before it: Room #4
_CLOSE_COMMENT = re.compile(r"[ \t]+#[^\s#]")

_EMPTY: Final = "no campaign: the file is empty; `calpatch init` writes an example"


def tree(text: str, *, found: Problems) -> Node:
    """Returns the top of the tree. Raises InvalidInput for what is not one YAML document."""
    try:
        return _Builder(text, found).document()
    except MarkedYAMLError as wrong:
        note_syntax(wrong, text, found=found)
        found.refuse()
        raise


class _Builder:
    """Takes the parser's events one by one; as deep as a campaign may be, and no deeper."""

    def __init__(self, text: str, found: Problems) -> None:
        self._text = text
        self._found = found
        self._events: Iterator[Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))

    def document(self) -> Node:
        root = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._note_second(event)
                    break
                root = self._node(next(self._events), path="", depth=1)
        if root is None or (root.value is None and not root.text):
            raise refused(_EMPTY)
        return root

    def _node(self, event: Event, *, path: str, depth: int, key: Mark | None = None) -> Node:
        """Makes the node that begins with an event, and takes its other events."""
        node = Node(value=None, path=path, mark=_mark(event), key=key)
        if depth > DEEPEST:
            error = CellError(f"more than {DEEPEST} levels", step="close what was opened before")
            node.note(self._found, error)
            self._found.refuse()
        self._note_marks(event, node)
        match event:
            case ScalarEvent():
                self._fill(node, event)
            case SequenceStartEvent():
                node.value = list(self._entries(path, depth=depth))
            case MappingStartEvent():
                node.value = self._mapping(node, depth=depth)
            case _:
                pass  # an alias, which is taken down
        return node

    def _entries(self, path: str, *, depth: int) -> Iterator[Node]:
        count = 0
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._node(event, path=f"{path}[{count}]", depth=depth + 1)
            count += 1

    def _mapping(self, owner: Node, *, depth: int) -> dict[str, Node]:
        path, nodes = owner.path, dict[str, Node]()
        while not isinstance(event := next(self._events), MappingEndEvent):
            mark = _mark(event)
            name = self._key(event, path=path, depth=depth)
            inner = joined(path, shown(name or ""))
            node = self._node(next(self._events), path=inner, depth=depth + 1, key=mark)
            if name is None:
                owner.is_faulty = True
                continue
            if name in nodes:
                first = nodes[name].key or mark
                error = CellError(f"line {first.line} has this key already", step="remove one")
                self._found.note(error, line=mark.line, column=inner, position=mark.position)
                nodes[name].is_faulty = True
            else:
                nodes[name] = node
        return nodes

    def _key(self, event: Event, *, path: str, depth: int) -> str | None:
        """Returns a key as it is written; None for what is no word, which is taken down."""
        if isinstance(event, ScalarEvent) and not event.tag and not event.anchor:
            return str(event.value)
        node = self._node(event, path=path, depth=depth + 1)
        if not node.is_faulty:
            error = CellError("a key that is no word", step="put a text with brackets in quotes")
            node.note(self._found, error)
        return None

    def _note_marks(self, event: Event, node: Node) -> None:
        """Takes down what makes a node more than a value."""
        anchor = getattr(event, "anchor", None)
        if isinstance(event, AliasEvent):
            fault = f"*{anchor} is an alias"
        elif anchor:
            fault = f"&{anchor} is an anchor"
        elif getattr(event, "tag", None):
            fault = "! begins a tag"
        else:
            return
        node.is_faulty = True
        line, position = node.mark
        step = "write the value out, in quotes if need be"
        error = CellError(f"{fault}, and there are none here", step=step)
        self._found.note(error, line=line, column=node.path, position=position)

    def _fill(self, node: Node, event: ScalarEvent) -> None:
        node.text = event.value
        node.value = _resolved(event.value) if event.style is None else event.value
        error = control_in(event.value)
        if event.style is None and node.value is not None:
            error = error or self._cut_off(event)
        if error is not None:
            node.note(self._found, error)
            node.is_faulty = True

    def _cut_off(self, event: ScalarEvent) -> CellError | None:
        """Says that a text may have lost its end to a comment."""
        end: Any = event.end_mark
        if not _CLOSE_COMMENT.match(self._text, end.index):
            return None
        return CellError(
            "what follows the # is a comment, no part of this text",
            step="put the text in quotes, or a blank after the #",
        )

    def _note_second(self, event: Event) -> None:
        line, position = _mark(event)
        error = CellError("a second document begins here", step="give each campaign its own file")
        self._found.note(error, line=line, position=position)


def _mark(event: Event) -> Mark:
    start: Any = event.start_mark  # each event of a text has one, which its types do not say
    return Mark(start.line + 1, start.column + 1)


def _resolved(text: str) -> Scalar:
    """Returns what a text without quotes means, by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
