"""The tree keeps its budget, and tells nothing of the machines it was made on."""

from __future__ import annotations

import ast
import os
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.readme import ROOT

#: lines; STYLE's budget, which keeps every part readable at one sitting
LONGEST_MODULE, MEDIAN_MODULE = 400, 150
LONGEST_FUNCTION, MEDIAN_FUNCTION = 40, 9
SOURCES = ("worker", "tasks", "migrations")
#: what is handed on: sources, tests, deployment, and the files at the top
SHIPPED = (*SOURCES, "tests", "deploy", ".ci", ".github")
#: put together here, so that this file does not hold what it looks for
PRIVATE_PLACES = re.compile(
    r"(?<![\w.~-])/(?:" + "|".join(("home", "root", "work", "Users", "mnt", "private")) + r")/\w"
)
HOSTS = re.compile("|".join(("pypi" + r"\.org", "python" + r"hosted\.org", "npmjs" + r"\.")))


def modules() -> list[Path]:
    return [path for name in SOURCES for path in sorted((ROOT / name).rglob("*.py"))]


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions() -> Iterator[tuple[str, int]]:
    """Every function with the lines of its body; names and words above it are no burden."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                body = node.body[1:] if ast.get_docstring(node) else node.body
                yield name, _last_line(body) - body[0].lineno + 1 if body else 0


def _last_line(body: list[ast.stmt]) -> int:
    return body[-1].end_lineno or body[-1].lineno


def shipped() -> list[Path]:
    tops = [path for path in ROOT.iterdir() if path.is_file() and not _is_private(path)]
    below = [
        Path(folder, name)
        for top in SHIPPED
        for folder, folders, names in os.walk(ROOT / top)
        if "__pycache__" not in Path(folder).parts
        for name in names
    ]
    return [path for path in (*tops, *below) if path.suffix not in {".pyc", ".lock", ".db"}]


def _is_private(path: Path) -> bool:
    return path.name == ".env" or path.name.startswith(".coverage") or ".db" in path.suffixes


def test_no_module_is_too_long() -> None:
    """A module that cannot be read at one sitting is two."""
    sizes = {str(path.relative_to(ROOT)): lines_of(path) for path in modules()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}
    assert statistics.median(sizes.values()) <= MEDIAN_MODULE


def test_no_function_is_too_long() -> None:
    """A function that does not fit on a screen does more than its name says."""
    found = dict(functions())
    assert {name: size for name, size in found.items() if size > LONGEST_FUNCTION} == {}
    assert statistics.median(found.values()) <= MEDIAN_FUNCTION


@pytest.mark.parametrize(
    ("what", "pattern"), [("a private path", PRIVATE_PLACES), ("a registry", HOSTS)]
)
def test_nothing_tells_of_the_machines_it_was_made_on(what: str, pattern: re.Pattern[str]) -> None:
    """What holds on one machine only is an error on every other one."""
    told = [
        f"{path.relative_to(ROOT)}:{number}: {what}"
        for path in shipped()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert told == []


def test_the_search_would_find_what_it_looks_for() -> None:
    """A pattern that matches nothing passes on everything."""
    assert PRIVATE_PLACES.search("see " + "/".join(("", "home", "ann", "calpatch")))
    assert not PRIVATE_PLACES.search("https://example.test/home/page ./home/page")
    assert {ROOT / "README.md", ROOT / ".ci" / "run", ROOT / "worker" / "model" / "states.py"} <= {
        *shipped()
    }


def test_typed_packages_say_so() -> None:
    """Without the marker, a type checker takes all that we annotate for Any."""
    assert all((ROOT / name / "py.typed").is_file() for name in ("worker", "tasks"))
