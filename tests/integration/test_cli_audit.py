"""`calpatch audit verify --against`: what a results folder keeps outside of the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign
from worker.app import open_store
from worker.model import EditState
from worker.settings import Settings


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A campaign that has ended and one that runs, both with their results written."""
    shell = bare_shell
    shell("migrate")
    store = open_store(Settings.load())
    a_campaign(store, ONE_OF_EACH, name="c_1")
    a_campaign(store, [End(state=EditState.PENDING)], name="c_2")
    store.database.dispose()
    for name in ("c_1", "c_2"):
        assert shell("results", name, "--out", name).code == 0
    return shell


def kept(shell: Shell, name: str) -> dict[str, object]:
    """Return a summary."""
    found: dict[str, object] = json.loads((shell.folder / name / "summary.json").read_text())
    return found


def test_a_summary_keeps_the_ends_of_all_chains(shell: Shell) -> None:
    """One digest over the chunks' heads, once there is nothing more to come."""
    assert len(str(kept(shell, "c_1")["chunk_heads"])) == 64
    assert len(str(kept(shell, "c_1")["audit_head"])) == 64
    assert kept(shell, "c_2")["chunk_heads"] == ""


def test_a_database_is_held_to_what_was_kept(shell: Shell) -> None:
    """Several summaries at once; another head is another story."""
    files = [str(shell.folder / name / "summary.json") for name in ("c_1", "c_2")]
    whole = shell("audit", "verify", "--against", files[0], "--against", files[1])
    assert (whole.code, whole.out.endswith("every chain is whole\n")) == (0, True)
    changed = kept(shell, "c_1") | {"audit_head": "0" * 64}
    Path(files[0]).write_text(json.dumps(changed))
    ended = shell("audit", "verify", "--against", files[0])
    assert ended.code == 1
    assert ended.out == "c_1 entry 1: is not the chain that the kept file was written from\n"
    assert shell("audit", "verify", "--against", files[0], "--json").json["is_whole"] is False


def test_a_summary_of_before_has_no_digest_of_chunks(shell: Shell) -> None:
    """Its head of the campaign's own chain binds them as well."""
    old = kept(shell, "c_1")
    del old["chunk_heads"]
    (shell.folder / "old.json").write_text(json.dumps(old))
    assert shell("audit", "verify", "--against", "old.json").code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), ("[]", "is no summary.json")],
)
def test_a_file_that_is_no_summary_is_refused(shell: Shell, content: str | None, said: str) -> None:
    """In one line, as a wrong option."""
    if content is not None:
        (shell.folder / "kept.json").write_text(content)
    ended = shell("audit", "verify", "--against", "kept.json")
    assert (ended.code, said in ended.last_words) == (2, True)
