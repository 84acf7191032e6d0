"""What the tests of commands begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell, complete_settings


@pytest.fixture
def bare_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A folder with complete settings, no Redis and no database yet."""
    return Shell(tmp_path, monkeypatch, capsys, complete_settings())
