"""Files that are submitted by a message: the same checks, and the answer beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.campaigns import a_store, uid
from worker.errors import StoreUnavailable
from worker.settings import Settings
from worker.store import NewAccount, Store
from worker.unattended import submit_from_inbox

TERMS: dict[str, Any] = {"key": "k1", "reason": "Nightly sync"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A database with one account, outside of the inbox."""
    made = a_store(tmp_path / "calpatch.db")
    account = NewAccount(sub="acc_1", access_token=b"a", refresh_token=b"r")
    made.accounts.import_all([account], actor="test")
    return made


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder that files are left in, with a good one."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    leave(folder, {"shift": "PT1H"})
    return folder


def leave(folder: Path, *changes: dict[str, Any], name: str = "edits.jsonl") -> None:
    """Leave a file of edits."""
    keys = {"account": "acc_1", "calendar_id": "cal_1"}
    lines = [
        json.dumps(keys | {"event_uid": uid(number)} | change)
        for number, change in enumerate(changes)
    ]
    (folder / name).write_text("\n".join(lines))


def settings(store: Store, inbox: Path | str) -> Settings:
    return Settings.load(
        {
            "CALPATCH_DATABASE_URL": str(store.database.url.render_as_string()),
            "CALPATCH_REDIS_URL": "redis://127.0.0.1:9/0",
            "CALPATCH_INBOX": str(inbox),
        }
    )


def submit(store: Store, inbox: Path, file: str = "edits.jsonl", **terms: Any) -> dict[str, Any]:
    return submit_from_inbox(settings(store, inbox), store, file, TERMS | terms)


def test_a_file_is_submitted_and_answered_beside_it(store: Store, inbox: Path) -> None:
    """Whoever left it finds the campaign's id there; Redis being down is only told."""
    (inbox / "edits.jsonl").chmod(0o640)
    answer = submit(store, inbox)
    campaign = store.campaigns.get("k1")
    assert campaign is not None
    assert answer | {"note": ""} == {
        "campaign": campaign.id, "key": "k1", "created": True, "state": "running", "edits": 1,
        "note": "",
    }  # fmt: skip
    assert "Nothing is lost" in answer["note"]
    left = inbox / "edits.jsonl.result.json"
    assert json.loads(left.read_text()) == answer
    assert left.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in inbox.iterdir()) == ["edits.jsonl", left.name]
    assert campaign.owner == "inbox"


def test_a_message_that_comes_twice_submits_once(store: Store, inbox: Path) -> None:
    """The broker delivers again what it is not sure of."""
    first, again = submit(store, inbox), submit(store, inbox)
    assert (again["campaign"], again["created"]) == (first["campaign"], False)
    assert len(store.campaigns.newest()) == 1


def test_a_broken_file_is_answered_with_its_problems(store: Store, inbox: Path) -> None:
    """As `--json` has them, by line and column; nothing is stored."""
    leave(inbox, {"shift": "an hour"}, {"shift": "PT1H", "account": "acc_2"})
    answer = submit(store, inbox)
    assert [(each["line"], each["column"]) for each in answer["problems"]] == [
        (1, "shift"), (2, "account"),
    ]  # fmt: skip
    assert (answer["error"], answer["exit_code"]) == ("2 problems in the input", 2)
    assert json.loads((inbox / "edits.jsonl.result.json").read_text()) == answer
    assert store.campaigns.latest() is None


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"canary": "many"}, "The message's terms: Expected `int | null`, got `str`"),
        ({"shfit": 1}, "The message's terms: Object contains unknown field `shfit`"),
        ({"share": "200%"}, "--share '200%': expected a share"),
        ({"reason": None}, "--reason is missing"),
        ({"webhook": "https://a.com/x"}, "Not set: CALPATCH_WEBHOOK_SECRET"),
        ({"webhook": "https://169.254.169.254/x"}, "--webhook: neither https nor a host"),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_answered(
    store: Store, inbox: Path, terms: dict[str, Any], said: str
) -> None:
    """With the sentences of the command."""
    answer = submit(store, inbox, **terms)
    assert said in answer["error"]
    assert store.campaigns.latest() is None


def test_a_job_is_held_as_by_the_command(store: Store, inbox: Path) -> None:
    """The rule is the store's own."""
    submit(store, inbox, job="nightly")
    leave(inbox, {"shift": "PT2H"}, name="next.jsonl")
    answer = submit(store, inbox, "next.jsonl", job="nightly", key="k2")
    assert answer["exit_code"] == 4
    assert "Job nightly still has a run open" in answer["error"]


@pytest.mark.parametrize(
    "file",
    ["", ".", "..", "../calpatch.db", "/etc/passwd", ".hidden", "a/b", "none.csv", "a\0b", "link",
     "pipe", "folder"],
)  # fmt: skip
def test_no_other_file_is_read(store: Store, inbox: Path, file: str) -> None:
    """Whoever can write to Redis cannot have a file of this machine read, or a pipe waited for."""
    (inbox / ".hidden").write_text("secret")
    (inbox / "link").symlink_to("/etc/passwd")
    (inbox / "folder").mkdir()
    os.mkfifo(inbox / "pipe")
    before = sorted(path.name for path in inbox.iterdir())
    answer = submit(store, inbox, file)
    assert answer["exit_code"] == 2
    assert "inbox" in answer["problems"][0]["message"]
    assert sorted(path.name for path in inbox.iterdir()) == before


def test_a_campaign_file_from_there_names_no_other_file(store: Store, inbox: Path) -> None:
    """Its list of accounts would be read with the worker's rights."""
    (inbox / "c.yaml").write_text(
        "version: 1\ncampaign: {id: c, reason: r}\nselect:\n  accounts: {file: /etc/passwd}\n"
        "  between: {from: 2026-03-01, to: 2026-04-30}\ntransform: [{shift: PT1H}]\n"
    )
    answer = submit_from_inbox(settings(store, inbox), store, "c.yaml", {})
    assert answer["exit_code"] == 2
    assert "root" not in json.dumps(answer)


def test_without_an_inbox_nothing_is_submitted(store: Store) -> None:
    """It is the operator who opens this way."""
    answer = submit_from_inbox(settings(store, ""), store, "edits.jsonl", TERMS)
    assert (answer["error"], answer["exit_code"]) == ("Not set: CALPATCH_INBOX", 7)


def test_an_inbox_that_cannot_be_written_to_is_no_failure(store: Store, inbox: Path) -> None:
    """The campaign is stored; the answer is the task's alone."""
    (inbox / "edits.jsonl.result.json").mkdir()
    assert submit(store, inbox)["created"]
    assert store.campaigns.get("k1") is not None
    assert sorted(path.name for path in inbox.iterdir()) == [
        "edits.jsonl", "edits.jsonl.result.json",
    ]  # fmt: skip


def test_a_database_that_is_away_is_left_to_the_message(store: Store, inbox: Path) -> None:
    """No answer is given that would be wrong in a moment: the message comes again."""
    store.database.dispose()
    file = store.database.file
    assert file is not None
    file.write_bytes(b"no database" * 200)
    with pytest.raises(StoreUnavailable):
        submit(store, inbox)
    assert not (inbox / "edits.jsonl.result.json").exists()
