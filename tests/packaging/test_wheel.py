"""The wheel is made offline, holds what a deployment needs, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.readme import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "deploy/requirements.lock", "deploy/build.lock")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def build(kind: str, source: Path, target: Path) -> Path:
    """Builds with nothing but the environment's own hatchling."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [made] = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def run_unpacked(unpacked: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python on the wheel's files: they come before the checkout's, which is installed too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environ = kept | {
        "PYTHONPATH": str(unpacked),
        "CALPATCH_DATABASE_URL": f"sqlite:///{cwd / 'calpatch.db'}",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


class TestContents:
    """What is in it."""

    def test_it_has_every_module_and_script(self, wheel: Path) -> None:
        """A limiter without its Lua script fails only when the first call is made."""
        source = {
            path.relative_to(ROOT).as_posix()
            for package in ("worker", "tasks")
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert source <= names_in(wheel)
        assert {"worker/py.typed", "tasks/py.typed", "worker/limits/grant.lua"} <= source

    def test_it_has_every_migration(self, wheel: Path) -> None:
        """Those who install the wheel have no checkout to migrate from."""
        inside = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
        found = {name for name in names_in(wheel) if name.startswith("worker/store/migrations/")}
        assert {f"worker/store/migrations/versions/{name}" for name in inside} <= found
        assert "worker/store/migrations/env.py" in found

    def test_it_has_nothing_else(self, wheel: Path) -> None:
        """No tests, no caches, no databases, no second top-level name in other people's folders."""
        tops = {name.partition("/")[0] for name in names_in(wheel)}
        assert tops == {"worker", "tasks", f"calpatch-{PROJECT['project']['version']}.dist-info"}
        assert not [
            name
            for name in names_in(wheel)
            if name.endswith((".pyc", ".db", ".env", ".log")) or "/tests/" in name
        ]

    def test_it_has_the_command_and_the_licence(self, unpacked: Path) -> None:
        """`calpatch` is on the path once it is installed."""
        [info] = unpacked.glob("calpatch-*.dist-info")
        assert "calpatch = worker.cli:main" in (info / "entry_points.txt").read_text()
        assert "MIT" in (info / "licenses" / "LICENSE").read_text()

    def test_it_needs_what_the_project_says(self, unpacked: Path) -> None:
        """Development's tools are no dependencies."""
        [info] = unpacked.glob("calpatch-*.dist-info")
        metadata = (info / "METADATA").read_text(encoding="utf-8")
        needed = set(
            re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==).*$", metadata, re.MULTILINE)
        )
        assert needed == {name_of(each) for each in PROJECT["project"]["dependencies"]}

    def test_a_source_archive_makes_the_same_wheel(self, wheel: Path, tmp_path: Path) -> None:
        """Distributions build from the archive, where only what is listed exists."""
        archive = build("sdist", ROOT, tmp_path / "sdist")
        with tarfile.open(archive) as opened:
            # Python before 3.11.4, which Debian 12 has, knows no filters; later ones want one.
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            opened.extractall(tmp_path / "source", **safely)
        [source] = (tmp_path / "source").iterdir()
        assert names_in(build("wheel", source, tmp_path / "again")) == names_in(wheel)


class TestUse:
    """What it does without the checkout."""

    def test_its_command_tells_the_version(self, unpacked: Path, tmp_path: Path) -> None:
        """The version is the wheel's, not one that a module repeats."""
        said = run_unpacked(unpacked, "-m", "worker.cli", "--version", cwd=tmp_path)
        assert said.stdout.strip() == f"calpatch {PROJECT['project']['version']}"

    def test_it_brings_its_own_migrations(self, unpacked: Path, tmp_path: Path) -> None:
        """`calpatch migrate` works wherever it is installed."""
        code = "from worker.store.schema import migrations_folder; print(migrations_folder())"
        where = run_unpacked(unpacked, "-c", code, cwd=tmp_path)
        assert Path(where.stdout.strip()) == unpacked / "worker" / "store" / "migrations"
        done = run_unpacked(unpacked, "-m", "worker.cli", "migrate", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        again = run_unpacked(unpacked, "-m", "worker.cli", "migrate", "--check", cwd=tmp_path)
        assert again.returncode == 0


class TestLocks:
    """requirements.lock and the image's parts of it."""

    @pytest.mark.parametrize("lock", LOCKS)
    def test_every_file_has_its_hash(self, lock: str) -> None:
        """A mirror may serve the files, but not other ones."""
        text = (ROOT / lock).read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert len(blocks) == len(PIN.findall(text))
        assert not [block for block in blocks if "--hash=sha256:" not in block]

    @pytest.mark.parametrize("lock", LOCKS)
    def test_no_address_is_in_it(self, lock: str) -> None:
        """Where packages come from is the installing machine's business."""
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^(?!\s+--hash=)\s*-", text, re.MULTILINE)

    @pytest.mark.parametrize("lock", LOCKS[1:])
    def test_the_image_has_what_was_tested(self, lock: str) -> None:
        """Another version in production than in the tests would be one that nobody tried."""
        assert pins(lock).items() <= pins("requirements.lock").items()

    def test_the_image_has_what_the_project_needs_and_no_tools(self) -> None:
        """What is not there cannot be attacked, nor be missing."""
        locked = pins("deploy/requirements.lock")
        assert {name_of(each) for each in PROJECT["project"]["dependencies"]} <= set(locked)
        tools = {name_of(each) for each in PROJECT["dependency-groups"]["dev"]}
        demo = {name_of(each) for each in PROJECT["project"]["optional-dependencies"]["demo"]}
        assert not (tools | demo) & set(locked)
        assert "hatchling" in pins("deploy/build.lock")


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text(encoding="utf-8")))


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0].lower()


def test_the_changelog_begins_with_this_version() -> None:
    """Whoever upgrades looks there first."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    tops = re.findall(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert tops[0] == PROJECT["project"]["version"]
