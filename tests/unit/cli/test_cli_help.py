"""Every command explains itself, without settings, database or network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from worker.cli.main import app

DOCUMENTED = {
    "simulate", "migrate", "accounts import", "accounts list", "accounts check", "accounts forget",
    "accounts erase", "prune",
    "keys new", "keys list", "keys rotate", "init", "schema", "validate",
    "audit search", "rehearse", "plan", "show", "apply", "approve", "reject",
    "pause", "resume", "cancel", "tune", "freeze", "unfreeze",
    "submit", "work", "beat", "status", "list",
    "results", "undo", "retry", "why", "limits",
    "doctor", "audit verify", "demo",
}  # fmt: skip


def names() -> Iterator[str]:
    """Give the names of all commands, those of groups with their group's."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from (f"{name} {each}" for each in inner) if inner else [name]


def test_every_documented_command_is_there_and_no_other() -> None:
    """README, help and code tell of the same commands."""
    assert set(names()) == DOCUMENTED


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_command_has_help_with_an_example(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that cannot say what it does without a database helps nobody."""
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "100"})
    assert ended.exit_code == 0
    assert re.search(rf"Example: .*calpatch {name}", ended.stdout.replace("\n", " "))
    assert len(ended.stdout.splitlines()) >= 8
    assert list(tmp_path.iterdir()) == []


def test_the_top_says_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing a new user types is the bare command."""
    from worker.cli.main import run

    assert run([]) == 2
    assert "Begin with: calpatch demo" in capsys.readouterr().out


def test_the_version_is_the_packages() -> None:
    """Reports of faults name it."""
    from importlib.metadata import version

    ended = CliRunner().invoke(app, ["--version"])
    assert ended.stdout == f"calpatch {version('calpatch')}\n"
