"""Saying what is wrong with a line of JSON, key by key.

Called only for lines that could not be decoded at once, or that may give a key twice, which
decoding does not notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from worker.intake.problems import CellError, shown

#: what stands at a key: a text, a list of texts, or an object of keys
Shape: TypeAlias = "type[str] | type[list[str]] | Mapping[str, Shape]"


class Fault(NamedTuple):
    """A wrong key, by its path, and what is wrong with it."""

    path: str
    error: CellError


def faults(line: str, shape: Mapping[str, Shape]) -> Iterator[Fault]:
    """Gives all faults of form; none when the line is an object as `shape` has it."""
    try:
        found = json.loads(line, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        yield Fault("", _malformed(line, error))
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        yield Fault("", CellError("not an edit", step="give one object of texts"))
    else:
        if isinstance(found, _Object):
            yield from _walk(found, shape, path="")
        else:
            yield Fault("", CellError("not a JSON object", step="give one object per line"))


class _Object(dict[str, object]):
    """An object that remembers which of its keys were given twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs] if len(pairs) > len(self) else []
        self.repeated = sorted({name for name in names if names.count(name) > 1})


def _walk(found: _Object, shape: Mapping[str, Shape], *, path: str) -> Iterator[Fault]:
    for name in found.repeated:
        yield Fault(path + shown(name), CellError("key given twice", step="remove one"))
    for name, value in found.items():
        if name in shape:
            yield from _judge(value, shape[name], path=path + name)
        else:
            yield Fault(path + shown(name), _unknown(name, shape))


def _unknown(name: str, shape: Mapping[str, Shape]) -> CellError:
    """Says that a key is not known here, and where it belongs if it is known one level below."""
    plain = name.removeprefix("new_")
    for outer, inner in shape.items():
        if isinstance(inner, Mapping) and plain in inner:
            near = f'unknown key (did you mean "{outer}.{plain}"?)'
            return CellError(near, step="correct or remove it")
    return CellError("unknown key", step="correct or remove it", wanted=name, among=shape)


def _judge(value: object, shape: Shape, *, path: str) -> Iterator[Fault]:
    if value is None:
        step = 'leave the key out to keep what is there, or give "" to clear a text'
        yield Fault(path, CellError("null is not taken", step=step))
    elif isinstance(shape, Mapping):
        if isinstance(value, _Object):
            yield from _walk(value, shape, path=f"{path}.")
        else:
            yield Fault(path, CellError("not an object", step="write it in braces"))
    elif shape is str:
        if not isinstance(value, str):
            yield Fault(path, CellError("not a text", step="write it in quotes"))
    elif not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        yield Fault(path, CellError("not a list of texts", step="write it in brackets"))


def _malformed(line: str, error: json.JSONDecodeError) -> CellError:
    if line.strip() in {"{", "["}:
        return CellError("not a whole JSON object", step="write each edit in one line of its own")
    at = len(line[: error.pos].encode()) + 1
    return CellError(f"not valid JSON at byte {at}: {error.msg}", step="correct the line")
