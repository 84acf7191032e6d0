"""SECURITY.md claims only what a test proves, or says that it is the operator's to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.packaging.readme import ROOT

PAGE = ROOT / ".github" / "SECURITY.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`")


def rows() -> Iterator[tuple[str, list[str]]]:
    """Every row of the threat tables, under its heading."""
    threats = PAGE.read_text("utf-8").partition("## Threats and answers")[2]
    for section in re.split(r"^### ", threats.partition("\n## ")[0], flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        for line in re.findall(r"^\| (?!threat|-)(.+) \|$", text, re.MULTILINE):
            yield title, [cell.strip() for cell in f"{line} ".split(" | ")]


def named() -> list[tuple[str, str]]:
    return sorted(set(TEST.findall(PAGE.read_text("utf-8"))))


def defined(path: str) -> set[str]:
    """The tests of a file, those of classes as Class::test."""
    found = set[str]()
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


@pytest.mark.parametrize(("path", "test"), named(), ids=["::".join(each) for each in named()])
def test_every_test_that_it_names_exists(path: str, test: str) -> None:
    """A proof that was renamed or removed is none."""
    assert (ROOT / path).is_file()
    assert not test or test in defined(path)


def test_every_claim_has_a_test_or_a_duty() -> None:
    """An answer that nothing proves is a hope."""
    all_rows = list(rows())
    assert len(all_rows) > 40
    for title, cells in all_rows:
        assert len(cells) == 3, (title, cells)
        threat, answer, proof = cells
        assert TEST.search(proof) or answer.startswith("**Operator"), (title, threat)


def test_every_part_is_there() -> None:
    """Threats of each part, who is trusted, what is not defended, how to report."""
    titles = {title for title, _ in rows()}
    assert {"Input files", "SQL", "Redis", "API", "Vault", "Results", "Audit"} <= titles
    text = PAGE.read_text("utf-8")
    for part in ("Versions", "Reporting", "Who is trusted with what", "What is not defended"):
        assert f"\n## {part}\n" in text


def test_every_link_leads_somewhere() -> None:
    """Links are to files of the repository."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / target.partition("#")[0]).exists(), target
