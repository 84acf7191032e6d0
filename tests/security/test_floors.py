"""No library below a version in which a flaw that matters to us was mended (checklist C 26)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

import pytest

from tests.packaging.readme import ROOT

#: the first good version, and what is wrong before it
FLOORS: Mapping[str, tuple[str, str]] = {
    "aiohttp": ("3.14", "parsers, and answers that unpack without bound"),
    "celery": ("5.7", "workers deaf after a reconnect; the broker's password in a log (5.6.0)"),
    "kombu": ("5.7", "a worker that dies of a broker's restart"),
    "cryptography": ("50", "OpenSSL in its wheels"),
    "redis": ("6.4", "TLS host names that were not checked by default before 6"),
    "sqlalchemy": ("2.1", "the line that is maintained"),
}
LOCKS = ("requirements.lock", "deploy/requirements.lock")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def locked(name: str) -> dict[str, str]:
    """Return the versions of a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("library", FLOORS)
def test_the_lock_is_above_every_known_floor(lock: str, library: str) -> None:
    """What is installed is what the lock says."""
    floor, why = FLOORS[library]
    assert numbers(locked(lock)[library]) >= numbers(floor), why


@pytest.mark.parametrize("library", ["aiohttp", "celery", "cryptography", "redis", "sqlalchemy"])
def test_the_project_asks_for_no_less(library: str) -> None:
    """Whoever installs it without the lock gets none of them either."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [asked] = [
        each for each in project["dependencies"] if re.match(rf"{library}(\[\w+\])?>=", each)
    ]
    found = re.search(r">=([\d.]+)", asked)
    assert found
    assert numbers(found[1]) >= numbers(FLOORS[library][0])


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_is_held_to_a_hash(lock: str) -> None:
    """A library that was exchanged on its way is refused."""
    entries = re.split(r"^(?=[a-z0-9_.-]+==)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)
    without = [entry.split()[0] for entry in entries if "==" in entry and "--hash=" not in entry]
    assert without == []
    assert len(entries) > 20
