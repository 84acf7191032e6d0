"""The schema of campaign files, and how it is applied.

It is the one description of the format: editors complete and check by it, and the problems that a
check finds are made of its words. `errorMessage`, which editors show as well, says what is wrong
and, after a semicolon, what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from msgspec import json

_FILE = "schema.json"


def schema_text() -> str:
    """Returns the JSON schema (draft 2020-12) as it is shipped."""
    return files(__package__).joinpath(_FILE).read_text("utf-8")


@cache
def schema() -> dict[str, Any]:
    """Returns the schema as a value; it is not to be changed."""
    return json.decode(schema_text(), type=dict[str, Any])


class Fault(NamedTuple):
    """One thing that has not the form asked for.

    `keyword` is the schema's that asks, `wanted` what it asks, `part` the schema around it, `path`
    leads to the value. `name` is the key or the entry's number where the keyword is about several.
    `branches` are the faults of each form of which one would have been enough.
    """

    keyword: str
    wanted: Any
    part: dict[str, Any]
    path: tuple[str | int, ...]
    name: str
    branches: list[list[Fault]]


def faults(value: Any, *, most: int) -> list[Fault]:
    """Returns what a plain value has not of the schema's form; at most so many."""
    return [_fault(error) for error in islice(_validator().iter_errors(value), most)]


def _fault(error: ValidationError) -> Fault:
    branches: dict[object, list[Fault]] = {}
    for each in error.context or ():
        inner = _fault(each)
        branches.setdefault(each.relative_schema_path[0], []).append(inner)
    part = error.schema if isinstance(error.schema, dict) else {}
    return Fault(
        keyword=str(error.validator),
        wanted=error.validator_value,
        part=part,
        path=tuple(error.absolute_path),
        name=error.message,
        branches=list(branches.values()),
    )


@cache
def _validator() -> Validator:
    """Returns what checks plain values by the schema.

    Of keywords that are about several keys or entries at once it has one error for each, whose
    message is the key or the entry's number.
    """
    keywords = {
        "required": _required,
        "additionalProperties": _no_more_keys,
        "uniqueItems": _unique,
        "pattern": _pattern,
    }
    kind: type[Validator] = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return kind(schema())


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Returns a part of the schema with what it refers to put in."""
    reference = part.get("$ref")
    return {**schema()["$defs"][reference.rpartition("/")[2]], **part} if reference else part


def message_of(part: dict[str, Any]) -> str:
    """Returns what is wrong with a value that has not this form, and after "; " what to write."""
    return str(part.get("errorMessage", ""))


@cache
def places_of_keys() -> dict[str, frozenset[str]]:
    """Returns by each key of the format the paths at which it may stand, without numbers."""
    found: dict[str, set[str]] = {}
    for path in _paths(schema(), path=""):
        found.setdefault(path.rpartition(".")[2], set()).add(path)
    return {key: frozenset(paths) for key, paths in found.items()}


def _paths(part: dict[str, Any], *, path: str) -> Iterator[str]:
    whole = resolved(part)
    for branch in (*whole.get("anyOf", ()), *([whole["items"]] if "items" in whole else ())):
        yield from _paths(branch, path=path)
    for key, inner in whole.get("properties", {}).items():
        below = f"{path}.{key}" if path else key
        yield below
        yield from _paths(inner, path=below)


def _required(
    _: Validator, names: list[str], instance: object, __: object
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from (ValidationError(name) for name in names if name not in instance)


def _no_more_keys(
    _: Validator, __: object, instance: object, part: dict[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        known = part["properties"]
        yield from (ValidationError(name) for name in instance if name not in known)


def _unique(_: Validator, __: object, instance: object, ___: object) -> Iterator[ValidationError]:
    seen = set()
    for number, entry in enumerate(instance if isinstance(instance, list) else ()):
        if repr(entry) in seen:
            yield ValidationError(str(number))
        seen.add(repr(entry))


def _pattern(_: Validator, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
    # Whole: "$" alone lets a line end pass, which the texts of YAML's blocks have.
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(pattern)
