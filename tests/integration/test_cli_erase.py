"""`calpatch accounts erase`: asked for by name, done once, and reports go on working."""

from __future__ import annotations

import csv

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, uid
from worker.app import open_store
from worker.model import EditState
from worker.settings import Settings
from worker.store import NewAccount, Store
from worker.tokens import Vault

SUMMARY = "Aloisia's check-up"
JSONL_LINE = f'{{"account":"acc_1","set":{{"summary":"{SUMMARY}"}}}}'


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A migrated database with an account."""
    shell = bare_shell
    shell("migrate")
    return shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """Its store, with two accounts."""
    settings = Settings.load()
    store, vault = open_store(settings), Vault(settings.keys)
    for sub in ("acc_1", "acc_2"):
        sealed = {name: vault.seal(sub, "t") for name in ("access_token", "refresh_token")}
        store.accounts.import_all([NewAccount(sub=sub, **sealed)], actor="test")
    return store


def the_file(shell: Shell) -> bytes:
    """Return all bytes of the database."""
    return b"".join(path.read_bytes() for path in shell.folder.glob("calpatch.db*"))


def test_a_person_is_erased_by_name(shell: Shell, store: Store) -> None:
    """Counts are told, the account is gone, and what it was about is in no byte."""
    ends = [End(state=EditState.VERIFIED, code="verified", summary=SUMMARY, ref="Zoë")] * 3
    a_campaign(store, ends)
    store.database.dispose()
    assert SUMMARY.encode() in the_file(shell)
    done = shell("accounts", "erase", "acc_1", "--yes")
    assert (done.code, done.out) == (0, "acc_1 is erased: 3 edits of 1 campaign blanked\n")
    assert SUMMARY.encode() not in the_file(shell)
    assert [each["account"] for each in shell("accounts", "list", "--json").json] == ["acc_2"]
    again = shell("accounts", "erase", "acc_1", "--yes", "--json")
    assert again.json == {"account": "acc_1", "campaigns": 0, "edits": 0}
    assert shell("audit", "verify").code == 0


def test_nobody_is_erased_without_a_word(shell: Shell, store: Store) -> None:
    """There is no terminal to ask on."""
    a_campaign(store, ONE_OF_EACH)
    store.database.dispose()
    held = shell("accounts", "erase", "acc_1")
    assert held.code == 4
    assert "nothing was erased. Add --yes" in held.err
    assert len(shell("accounts", "list", "--json").json) == 2


def test_an_unknown_name_is_refused(shell: Shell, store: Store) -> None:
    """A slip of the keyboard must not pass for done."""
    ended = shell("accounts", "erase", "acc_9", "--yes")
    assert ended.code == 2
    assert "No account or edit of acc_9 is known. See `calpatch accounts list`" in ended.err


def test_open_edits_are_in_the_way(shell: Shell, store: Store) -> None:
    """With the campaign, and what to do about it."""
    a_campaign(store, [End(state=EditState.PENDING)], name="c_open")
    ended = shell("accounts", "erase", "acc_1", "--yes")
    assert ended.code == 4
    assert "open edits in c_open (1). Wait for their end (`calpatch status c_open" in ended.err


def test_results_of_an_erased_person_are_blank_but_for_the_ids(shell: Shell, store: Store) -> None:
    """Every line is still there, in its file, and the counts add up (law 2)."""
    ends = [
        End(state=EditState.VERIFIED, code="verified", summary=SUMMARY, ref="Zoë"),
        End(state=EditState.VERIFIED, code="verified", account="acc_2", summary="Other"),
        End(state=EditState.FAILED, code="rejected", error_key="summary:too_long"),
    ]
    a_campaign(store, ends)
    store.database.dispose()
    before = shell("results", "c_1", "--out", "out", "--json").json
    shell("accounts", "erase", "acc_1", "--yes")
    after = shell("results", "c_1", "--out", "out", "--json").json
    assert after["counts"] == before["counts"]
    with (shell.folder / "out" / "succeeded.csv").open(newline="") as file:
        mine, theirs = csv.DictReader(file)
    filled = {name: cell for name, cell in mine.items() if cell}
    assert filled.keys() == {
        "account", "calendar_id", "event_uid", "line_no", "item_id", "status", "code", "message",
        "changed_fields", "attempts", "http_status", "accepted_at", "verified_at",
    }  # fmt: skip
    assert filled["event_uid"] == uid(2)
    assert (theirs["summary"], theirs["before_start"][:10]) == ("Other", "2026-06-02")
    failed = (shell.folder / "out" / "failed.csv").read_text()
    assert "too_long" not in failed


def test_why_says_that_it_was_erased(shell: Shell, store: Store) -> None:
    """The outcome is told, and what was asked is not."""
    a_campaign(store, [End(state=EditState.VERIFIED, code="verified", summary=SUMMARY)])
    store.database.dispose()
    assert SUMMARY in shell("why", uid(2)).out
    shell("accounts", "erase", "acc_1", "--yes")
    told = shell("why", uid(2))
    assert "(the person was erased, and with them what was asked and stored)" in told.out
    assert "outcome    verified" in told.out
    assert SUMMARY not in told.out
    assert shell("why", uid(2), "--json").json[0]["is_erased"] is True


def test_a_jsonl_campaign_leaves_no_line_to_submit_again(shell: Shell, store: Store) -> None:
    """There is nothing in it any more."""
    ends = [
        End(state=EditState.FAILED, code="upstream"),
        End(state=EditState.FAILED, code="upstream", account="acc_2"),
    ]
    cells = [[JSONL_LINE], ['{"account":"acc_2"}']]
    a_campaign(store, ends, columns=("line",), cells=cells)
    store.database.dispose()
    shell("accounts", "erase", "acc_1", "--yes")
    assert shell("results", "c_1", "--out", "out").code == 0
    assert (shell.folder / "out" / "failed.jsonl").read_text() == '{"account":"acc_2"}\n'
    assert (shell.folder / "out" / "failed.csv").read_text().count("\n") == 3
