"""The schema that is shipped is one, and says of each key what it is for and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from tests.unit.intake.campaigns import FILE, opened
from worker.intake.campaign import example
from worker.intake.campaign.nodes import Node
from worker.intake.campaign.shape import faults, places_of_keys, resolved, schema
from worker.intake.campaign.text import read_text
from worker.intake.campaign.tree import tree
from worker.intake.problems import Problems


def nodes(text: str) -> Node:
    found = Problems(1)
    return tree(read_text(opened(text).stream, found=found), found=found)


def parts(
    part: dict[str, Any] | None = None, path: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the schema, by its path, with what it refers to put in."""
    whole = resolved(schema() if part is None else part)
    yield path, whole
    for branch in (*whole.get("anyOf", ()), *([whole["items"]] if "items" in whole else ())):
        if "required" not in branch or len(branch) > 1:
            yield from parts(branch, path)
    for key, inner in whole.get("properties", {}).items():
        yield from parts(inner, f"{path}.{key}".strip("."))


def test_it_is_a_schema_of_its_draft() -> None:
    """Editors read it with other libraries than ours."""
    Draft202012Validator.check_schema(schema())


def test_every_key_says_what_it_is_for() -> None:
    """Editors show it while somebody types."""
    for path, part in parts():
        for key, inner in part.get("properties", {}).items():
            description = resolved(inner).get("description", "")
            assert description.endswith("."), f"{path}.{key}"


def test_every_value_says_what_is_wrong_and_what_to_write() -> None:
    """Problems are made of these words; an object of keys names its keys itself."""
    for path, part in parts():
        if part.get("type") != "object":
            wrong, _, step = part.get("errorMessage", "").partition("; ")
            assert wrong, path
            assert step, path


def test_every_object_refuses_what_it_does_not_know() -> None:
    """A key that is passed over does nothing, and nobody says so."""
    objects = [part for _, part in parts() if part.get("type") == "object"]
    assert len(objects) > 20
    assert all(part["additionalProperties"] is False for part in objects)


def test_every_list_and_text_has_an_end() -> None:
    """A file must not make something large of a few keys."""
    for path, part in parts():
        if part.get("type") == "array":
            entries = resolved(part["items"])
            assert "maxItems" in part or (part["uniqueItems"] and "enum" in entries), path


def test_every_pattern_is_about_the_whole_text() -> None:
    """Ours are matched whole; the libraries of editors search."""
    patterns = [part["pattern"] for _, part in parts() if "pattern" in part]
    assert len(patterns) > 4
    assert all(re.fullmatch(r"\^.*\$", pattern) for pattern in patterns)


def test_the_small_file_and_the_example_have_its_form() -> None:
    """The plain library finds no fault either, formats of its own included."""
    for text in (FILE, example()):
        plain = nodes(text).plain()
        assert faults(plain, most=9) == []
        Draft202012Validator(schema()).validate(plain)


def test_keys_are_found_by_their_names() -> None:
    """This is how a key in the wrong place is told its own."""
    places = places_of_keys()
    assert places["max_changes"] == {"guards.max_changes"}
    assert places["by"] == {"transform.shift.by"}
    assert len(places["tzid"]) == 4
