"""Running the command in this process, as a shell would see it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from worker.cli.main import run
from worker.tokens import generate_key

#: no server listens there: port 9 is "discard", which nobody runs any more
NOBODY = "redis://127.0.0.1:9/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command left: exit code, data, talk."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def last_words(self) -> str:
        """The last line on stderr: the error, if there was one."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


class Shell:
    """A folder and an environment in which commands run."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        environ: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'calpatch.db'}"
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        self.setenv("CALPATCH_DATABASE_URL", self.url)
        for name, value in environ.items():
            self.setenv(name, value)

    def setenv(self, name: str, value: str) -> None:
        """Set a variable for the commands that follow."""
        self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str) -> Ended:
        """Run a command."""
        self._capsys.readouterr()
        code = run(arguments)
        # What was captured closes with the test; later loggers must not write into it.
        structlog.reset_defaults()
        said = self._capsys.readouterr()
        return Ended(code=int(code), out=said.out, err=said.err)


@contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Let processes that start now heed Ctrl-C, though this one was told not to.

    A shell has its background jobs ignore it, and that is inherited.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def complete_settings(redis_url: str = NOBODY) -> dict[str, str]:
    """Return an environment in which nothing is missing."""
    return {
        "CALPATCH_REDIS_URL": redis_url,
        "CALPATCH_CRONOFY_CLIENT_ID": "client",
        "CALPATCH_CRONOFY_CLIENT_SECRET": "secret",
        "CALPATCH_VAULT_KEYS": generate_key(),
        "CALPATCH_API_URL": "http://127.0.0.1:9",
    }
