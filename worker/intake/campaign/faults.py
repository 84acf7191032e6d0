"""What has not the form that the schema asks for, said at its place in the file.

Whatever is taken down here is marked as faulty, and its meaning is not asked for any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from worker.intake.campaign.keys import unknown
from worker.intake.campaign.nodes import Node, joined
from worker.intake.campaign.shape import Fault, faults, message_of, resolved
from worker.intake.problems import CellError, Problems

#: faults that are looked at; a file with more is something else altogether
MOST_FAULTS: Final = 1_000

_NO_VALUE: Final = CellError("no value", step="give one, or leave the key out")
_NO_ENTRY: Final = CellError("no value", step="give one, or remove the dash")

#: what people write for true and false, which YAML 1.1 took for them
_SWITCHES: Final = {
    **dict.fromkeys(("yes", "on", "y"), "true"),
    **dict.fromkeys(("no", "off", "n"), "false"),
}

_SHORTER: Final = {"maxItems": "leave some out", "maxLength": "shorten it"}


def note_faults(root: Node, *, found: Problems) -> None:
    """Takes down all faults of form."""
    judge = _Judge(root, found)
    # Unknown keys first: a mistyped key is not told once more as a missing one.
    for fault in sorted(faults(root.plain(), most=MOST_FAULTS), key=_is_about_known_keys):
        judge.note(fault)


class _Judge:
    """Puts faults into words, one problem for each."""

    def __init__(self, root: Node, found: Problems) -> None:
        self._root = root
        self._found = found
        #: keys that are there under another name, by their paths
        self._meant: set[str] = set()

    def note(self, fault: Fault) -> None:
        node = self._root.at(fault.path)
        if node.is_faulty:
            return
        match fault.keyword:
            case "additionalProperties":
                self._note_unknown(node, fault)
            case "required":
                self._note_missing(node, fault)
            case "anyOf" | "oneOf":
                self._note_choice(node, fault)
            case "minProperties" | "maxProperties":
                self._note_count(node, fault)
            case "uniqueItems":
                entry = self._root.at((*fault.path, int(fault.name)))
                self._mark(entry, CellError("given twice", step="remove one"))
            case _:
                self._mark(node, _said(fault, node))

    def _mark(self, node: Node, error: CellError) -> None:
        if not node.is_faulty:
            node.note(self._found, error)
            node.is_faulty = True

    def _note_unknown(self, node: Node, fault: Fault) -> None:
        child = node.child(fault.name)
        if child is not None and not child.is_faulty:
            words = unknown(fault.name, path=node.path, known=fault.part["properties"])
            child.note_key(self._found, words.error)
            child.is_faulty = True
            self._meant.add(joined(node.path, words.near))

    def _note_missing(self, node: Node, fault: Fault) -> None:
        if joined(node.path, fault.name) not in self._meant:
            step = _step(fault.part["properties"][fault.name])
            node.note(self._found, CellError("missing", step=step), key=fault.name)

    def _note_count(self, node: Node, fault: Fault) -> None:
        if fault.keyword == "minProperties" or not isinstance(node.value, dict):
            step = f"give one of {', '.join(fault.part['properties'])}"
            self._mark(node, CellError("no key", step=step))
            return
        _, second, *_ = node.value.values()
        step = "begin another one with a dash"
        second.note_key(self._found, CellError("a second key in one transform", step=step))
        node.is_faulty = True

    def _note_choice(self, node: Node, fault: Fault) -> None:
        """Judges a value that has none of some forms: by the one that its kind has, if any."""
        if all("required" in branch for branch in fault.wanted):
            self._note_keys(node, [branch["required"][0] for branch in fault.wanted])
            return
        for branch in fault.branches:
            if not any(each.keyword == "type" and each.path == fault.path for each in branch):
                for each in branch:
                    self.note(each)
                return
        self._mark(node, _said(fault, node))

    def _note_keys(self, node: Node, keys: Sequence[str]) -> None:
        """Says that a mapping has none of some keys, or more than one where one is enough."""
        given = [key for key in keys if node.child(key) is not None]
        if given:
            wrong = f"{' and '.join(given)} exclude each other"
            self._mark(node, CellError(wrong, step="give one of them"))
        elif not any(joined(node.path, key) in self._meant for key in keys):
            step = f"give one of {', '.join(keys)}"
            self._mark(node, CellError("no key that says what is meant", step=step))


def _is_about_known_keys(fault: Fault) -> bool:
    return fault.keyword != "additionalProperties"


def _said(fault: Fault, node: Node) -> CellError:
    """Puts a fault of a single value into words."""
    value = node.value
    if value is None:
        return _NO_VALUE if node.key else _NO_ENTRY
    return CellError(
        _wrong(fault, value),
        step=_SHORTER.get(fault.keyword) or _step(fault.part),
        wanted=value if isinstance(value, str) else "",
        among=fault.part.get("enum", ()),
    )


def _wrong(fault: Fault, value: object) -> str:
    match fault.keyword, value:
        case "minItems", _:
            return "an empty list"
        case "minLength", _:
            return "an empty text"
        case "maxItems", list():
            return f"{len(value):,} entries; at most {fault.wanted:,} are taken"
        case "maxLength", str():
            return f"{len(value):,} characters; at most {fault.wanted:,} are taken"
        case "type", str() if fault.wanted == "boolean" and value in _SWITCHES:
            return f'neither true nor false (did you mean "{_SWITCHES[value]}"?)'
        case "type", _ if fault.wanted == "object":
            return f"{_kind(value)} where keys belong"
    return message_of(fault.part).partition("; ")[0]


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case _:
            return "a list"


def _step(part: dict[str, Any]) -> str:
    """Returns what to write at a place with this schema."""
    whole = resolved(part)
    listed = ", ".join(whole.get("properties", ()))
    return message_of(whole).partition("; ")[2] or f"put its keys below it, indented: {listed}"
