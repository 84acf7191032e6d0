"""The commands about campaigns, on a real database: codes, shapes, and what is never shown."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_store, uid
from worker.cli.account_file import COLUMNS
from worker.model import Code, EditState
from worker.report import FILES
from worker.store import Store

HEADER = "account,calendar_id,event_uid,date_hint,shift,summary,ref"
CANARY = "canary-token"


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings, no Redis and no database yet."""
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, migrated."""
    return a_store(shell.folder / "calpatch.db")


def edits_file(folder: Path, *lines: str) -> str:
    """Write a file of edits and return its name."""
    (folder / "edits.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return "edits.csv"


def line(number: int, *, account: str = "acc_1", rest: str = "2026-12-02,PT1H,,") -> str:
    """Return a good line."""
    return f"{account},cal_1,{uid(number)},{rest}"


def accounts_file(folder: Path, *subs: str) -> str:
    """Write a file of accounts and return its name."""
    with (folder / "accounts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows((sub, CANARY, CANARY, "", "us", f"label of {sub}") for sub in subs)
    return "accounts.csv"


SUBMIT = ("--key", "k1", "--reason", "New office hours")


# ------------------------------------------------------------------- before anything is there


@pytest.mark.parametrize(
    "command",
    [
        ("status",), ("list",), ("results",), ("why", "evt_1"), ("audit", "verify"),
        ("accounts", "list"), ("submit", "edits.csv", *SUBMIT, "--yes"),
    ],
)  # fmt: skip
def test_without_a_database_one_line_says_what_to_do(
    shell: Shell, command: tuple[str, ...]
) -> None:
    """The first mistake of everybody; and no empty file is left behind."""
    ended = shell(*command)
    assert (ended.code, ended.out) == (7, "")
    assert ended.err == (
        "calpatch: There is no database at CALPATCH_DATABASE_URL yet. Run `calpatch migrate`\n"
    )
    assert list(shell.folder.iterdir()) == []


def test_migrate_brings_the_database_up_and_says_so(shell: Shell) -> None:
    """Running it twice does no harm."""
    assert shell("migrate").out.startswith("migrated from nothing: ")
    assert shell("migrate").out.startswith("already up to date: ")
    assert shell("migrate", "--check").code == 0


def test_migrate_check_tells_without_doing(shell: Shell) -> None:
    """A deployment asks before it starts workers."""
    ended = shell("migrate", "--check")
    assert ended.code == 7
    assert ended.last_words.endswith("Run `calpatch migrate`")
    assert shell("status").code == 7


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CALPATCH_SHARE", "120%", "CALPATCH_SHARE: expected a share"),
        ("CALPATCH_RATE", "fast", "CALPATCH_RATE: fast: expected"),
        ("CALPATCH_DATABASE_URL", "mysql://h/db", "CALPATCH_DATABASE_URL names mysql"),
        ("CALPATCH_BATCH_SIZE", "0", "CALPATCH_BATCH_SIZE: "),
    ],
)
def test_a_wrong_setting_is_one_line(
    shell: Shell, store: Store, name: str, value: str, said: str
) -> None:
    """By name, without a stack trace, before anything is done."""
    a_campaign(store, ONE_OF_EACH)
    shell.setenv(name, value)
    ended = shell("status")
    assert ended.code == 7
    assert said in ended.last_words
    assert ended.err.count("\n") == 1


# ------------------------------------------------------------------- status, list, results, why


def test_status_tells_what_came_of_a_campaign(shell: Shell, store: Store) -> None:
    """The text has the counts, the reason and the next step."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("status", "--latest")
    assert ended.code == 0
    assert "state    completed with errors" in ended.out
    assert "done     8 of 8 edits, 100.0 %" in ended.out
    assert "skipped: recurring" in ended.out
    assert ended.out.endswith("calpatch results c_1 --only failed\n")


def test_status_as_json_is_one_object_on_stdout(shell: Shell, store: Store) -> None:
    """Pipelines parse stdout as it is; that Redis is down is in it, not beside it."""
    a_campaign(store, ONE_OF_EACH)
    status = shell("status", "c_1", "--json").json
    assert status["counts"]["by_status"]["verified"] == 1
    assert status["counts"]["total"] == 8
    assert status["api_calls"]["by_route"] == {"batch": 2, "read": 2}
    assert status["limiter"] is None
    assert "does not answer" in status["limiter_fault"]


def test_a_campaign_is_found_by_its_key(shell: Shell, store: Store) -> None:
    """People remember what they called it."""
    a_campaign(store, ONE_OF_EACH)
    assert shell("status", "key-c_1", "--json").json["campaign"] == "c_1"


def test_an_unknown_campaign_is_one_line(shell: Shell, store: Store) -> None:
    """With where to look."""
    ended = shell("status", "c_none")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith("`calpatch list` shows all\n")
    assert store is not None


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ((End(state=EditState.VERIFIED),), 0),
        ((End(state=EditState.SKIPPED, code=Code.RECURRING),), 0),
        ((End(state=EditState.MISMATCH, code=Code.DIFFERS),), 3),
    ],
)
def test_watching_ends_with_the_campaigns_code(
    shell: Shell, store: Store, ends: tuple[End, ...], code: int
) -> None:
    """Off a terminal there are plain lines on stderr and data on stdout."""
    a_campaign(store, ends)
    ended = shell("status", "--watch", "--json")
    assert ended.code == code
    assert ended.json["counts"]["total"] == 1
    assert "1/1 100.0%" in ended.err
    assert "\x1b" not in ended.err + ended.out


def test_list_shows_the_newest_first(shell: Shell, store: Store) -> None:
    """And only those in a state that was asked for."""
    a_campaign(store, ONE_OF_EACH, name="c_1")
    a_campaign(store, [End(state=EditState.PENDING)], name="c_2")
    assert [each["campaign"] for each in shell("list", "--json").json] == ["c_2", "c_1"]
    assert [each["campaign"] for each in shell("list", "--state", "running", "--json").json] == [
        "c_2"
    ]
    assert "completed_with_errors" in shell("list").out


def test_results_are_written_and_listed_with_checksums(shell: Shell, store: Store) -> None:
    """The table on stdout is what a script keeps."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("results", "--latest", "--out", "out")
    assert ended.code == 0
    assert {path.stem for path in (shell.folder / "out").glob("*.csv")} == set(FILES)
    rows = [row.split() for row in ended.out.splitlines()[1:]]
    assert [row[1] for row in rows] == ["2", "4", "1", "1"]
    assert all(len(row[2]) == 64 for row in rows)
    assert "8 lines" in ended.last_words


def test_results_go_into_a_folder_of_their_own(shell: Shell, store: Store) -> None:
    """Without --out two campaigns do not mix."""
    a_campaign(store, ONE_OF_EACH)
    summary = shell("results", "--json").json
    assert summary["counts"]["total"] == 8
    assert (shell.folder / "results-c_1" / "summary.json").exists()


def test_only_takes_the_names_of_files(shell: Shell, store: Store) -> None:
    """A mistyped name does not mean "nothing"."""
    a_campaign(store, ONE_OF_EACH)
    assert shell("results", "--only", "failed", "--out", "out").code == 0
    ended = shell("results", "--only", "faield")
    assert ended.code == 2
    assert "expected succeeded, failed, skipped or not_attempted" in ended.last_words


def test_partial_results_say_so(shell: Shell, store: Store) -> None:
    """Nobody shall take them for the end."""
    a_campaign(store, [End(state=EditState.PENDING)])
    ended = shell("results")
    assert ended.code == 0
    assert "partial" in ended.err


def test_results_that_do_not_add_up_are_an_internal_error(shell: Shell, store: Store) -> None:
    """Law 2 holds in the report command too: exit 1 and no files."""
    a_campaign(store, ONE_OF_EACH)
    with store.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM edits WHERE line_no = 5")
    ended = shell("results", "--out", "out")
    assert ended.code == 1
    assert "8 lines submitted, 7 with one" in ended.last_words
    assert list((shell.folder / "out").iterdir()) == []


def test_why_tells_the_story_of_an_event(shell: Shell, store: Store) -> None:
    """As text and as JSON."""
    a_campaign(store, ONE_OF_EACH)
    assert "outcome    verified" in shell("why", uid(2)).out
    assert shell("why", uid(4), "--json").json[0]["code"] == "recurring"


def test_why_of_an_unknown_event_is_one_line(shell: Shell, store: Store) -> None:
    """Exit 2: the argument was wrong."""
    ended = shell("why", "evt_none")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert store is not None


def test_the_audit_is_verified_and_a_change_is_found(shell: Shell, store: Store) -> None:
    """Law 10: whoever changes a line behind our back is seen."""
    a_campaign(store, ONE_OF_EACH)
    assert shell("audit", "verify").out.endswith("every chain is whole\n")
    with store.database.begin() as connection:
        for row in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
        ).all():
            connection.exec_driver_sql(f"DROP TRIGGER {row.name}")
        connection.exec_driver_sql("UPDATE audit SET actor = 'x' WHERE chain = 'c_1.1' AND seq = 2")
    ended = shell("audit", "verify")
    assert ended.code == 1
    assert "c_1.1 entry 2: has been changed" in ended.out
    assert shell("audit", "verify", "--json").json["is_whole"] is False


# ------------------------------------------------------------------- validate, submit


def test_a_good_file_is_summed_up(shell: Shell, store: Store) -> None:
    """What it asks for, and that its accounts are known."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    ended = shell("validate", edits_file(shell.folder, line(1), line(2), line(2)))
    assert ended.code == 0
    assert ended.out.startswith("3 edits for 1 account, no problems\n")
    assert "1 line repeat" in ended.out
    assert store is not None


def test_validating_needs_no_database(shell: Shell) -> None:
    """It says that the accounts were not checked, and leaves no file behind."""
    ended = shell("validate", edits_file(shell.folder, line(1)), "--json")
    assert ended.json["accounts_checked"] is False
    assert "The accounts were not checked" in ended.err
    assert [path.name for path in shell.folder.iterdir()] == ["edits.csv"]


@pytest.mark.parametrize("command", [("validate",), ("submit", *SUBMIT, "--yes")])
def test_a_broken_file_gives_its_problems(
    shell: Shell, store: Store, command: tuple[str, ...]
) -> None:
    """As JSON on stdout, as lines on stderr; exit 2, and nothing was stored."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    name = edits_file(shell.folder, line(1, rest="2026-12-02,1 hour,,"), line(2, account="acc_2"))
    ended = shell(*command, name, "--json")
    assert ended.code == 2
    where = [(each["line"], each["column"], each["value"]) for each in ended.json["problems"]]
    assert where == [(2, "shift", "1 hour"), (3, "account", "acc_2")]
    assert ended.err.splitlines()[0].startswith("line 2, shift '1 hour': ")
    assert ended.json["error"] == "2 problems in the input"
    assert store.campaigns.newest() == []


def test_many_problems_do_not_flood_the_terminal(shell: Shell) -> None:
    """Twenty are enough to begin with; how many there are is told."""
    bad = [line(number, rest=f"never {number},PT1H,,") for number in range(1, 51)]
    ended = shell("validate", edits_file(shell.folder, *bad))
    assert len(ended.err.splitlines()) == 22
    assert "… and 30 more" in ended.err
    assert "50 problems" in ended.last_words


def test_without_yes_and_without_a_terminal_nothing_is_submitted(
    shell: Shell, store: Store
) -> None:
    """Exit 4, after having shown what would have happened, and at what cost."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    ended = shell("submit", edits_file(shell.folder, line(1), line(2)), *SUBMIT)
    assert (ended.code, ended.out) == (4, "")
    assert "2 edits for 1 account" in ended.err
    assert "about 5 API calls, 1s at the 350 a minute" in ended.err
    assert "Add --yes" in ended.last_words
    assert store.campaigns.newest() == []


def test_submitting_saves_though_redis_is_down(shell: Shell, store: Store) -> None:
    """Law 1: SQL is the truth; the clock announces it once Redis is back."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    ended = shell("submit", edits_file(shell.folder, line(1)), *SUBMIT, "--yes", "--json")
    assert ended.code == 0
    assert ended.json["state"] == "running"
    assert ended.json["key"] == "k1"
    assert "Nothing is lost" in ended.err
    assert store.campaigns.newest()[0].total == 1


def test_the_same_key_and_file_are_not_run_twice(shell: Shell, store: Store) -> None:
    """A pipeline that tries again gets the campaign that there is (features §3.8)."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    name = edits_file(shell.folder, line(1))
    first = shell("submit", name, *SUBMIT, "--yes", "--json").json["campaign"]
    again = shell("submit", name, *SUBMIT, "--yes", "--json")
    assert again.json["campaign"] == first
    assert "known already, not run again" in again.err
    assert len(store.campaigns.newest()) == 1


def test_the_same_key_with_another_file_is_refused(shell: Shell, store: Store) -> None:
    """It names what holds the key."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    shell("submit", edits_file(shell.folder, line(1)), *SUBMIT, "--yes")
    ended = shell("submit", edits_file(shell.folder, line(2)), *SUBMIT, "--yes")
    assert ended.code == 2
    assert "'k1' already names campaign c_" in ended.last_words
    assert len(store.campaigns.newest()) == 1


def test_a_wait_that_is_over_tells_how_to_wait_again(shell: Shell, store: Store) -> None:
    """Exit 5: the campaign goes on, and the command to see it is printed."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    name = edits_file(shell.folder, line(1))
    ended = shell("submit", name, *SUBMIT, "--yes", "--wait", "0s", "--json")
    assert ended.code == 5
    campaign = ended.json["campaign"]
    assert ended.last_words.endswith(f"To wait again: calpatch status {campaign} --watch")
    assert store is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--wait", "soon"), "--wait 'soon': expected a duration"),
        (("--wait", "1m", "--async"), "--wait and --async exclude each other"),
        (("--verify", "some"), "--verify 'some': expected all or none"),
        (("--dst-gap", "maybe"), "--dst-gap 'maybe': expected refuse, earlier or later"),
        (("--lane", "fast"), "--lane 'fast': expected bulk or interactive"),
        (("--key", " "), "--key: expected 1 to 255 visible characters"),
        (("--reason", "a\x1b[2J"), "--reason: expected 1 to 1000 visible characters"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    shell: Shell, options: tuple[str, ...], said: str
) -> None:
    """Exit 2 before the file is even opened."""
    ended = shell("submit", "none.csv", *SUBMIT, "--yes", *options)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert said in ended.err


def test_the_policy_is_what_the_options_say(shell: Shell, store: Store) -> None:
    """It is stored with the campaign, whatever the settings become."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    options = ("--past-events", "--dst-gap", "later", "--verify", "none", "--owner", "ana")
    shell("submit", edits_file(shell.folder, line(1)), *SUBMIT, "--yes", *options)
    (campaign,) = store.campaigns.newest()
    policy = campaign.policy
    assert (policy.past_events, policy.dst_gap, policy.dst_fold) == (True, "later", "refuse")
    assert (policy.verify, campaign.owner) == ("none", "ana")


# ------------------------------------------------------------------- accounts, keys


def test_no_token_is_shown_or_stored_in_the_clear(shell: Shell, store: Store) -> None:
    """Law 9, from the file to the database."""
    said = [shell("accounts", "import", accounts_file(shell.folder, "acc_1", "acc_2"))]
    said += [shell("accounts", "list"), shell("accounts", "list", "--json")]
    assert said[0].out == "2 accounts imported: 2 new, 0 replaced\n"
    assert not any(CANARY in each.out + each.err for each in said)
    assert CANARY.encode() not in (shell.folder / "calpatch.db").read_bytes()
    assert store.accounts.subs() == {"acc_1", "acc_2"}


def test_importing_needs_a_vault_key(shell: Shell, store: Store) -> None:
    """It says how to make one."""
    shell.setenv("CALPATCH_VAULT_KEYS", "")
    ended = shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    assert ended.code == 7
    assert "`calpatch keys new` makes a vault key" in ended.last_words
    assert store.accounts.subs() == set()


def test_forgetting_an_account_wants_a_word(shell: Shell, store: Store) -> None:
    """Nobody is asked off a terminal: --yes is needed."""
    shell("accounts", "import", accounts_file(shell.folder, "acc_1"))
    assert shell("accounts", "forget", "acc_1").code == 4
    assert store.accounts.subs() == {"acc_1"}
    assert shell("accounts", "forget", "acc_1", "--yes").code == 0
    assert store.accounts.subs() == set()
    assert shell("accounts", "forget", "acc_1", "--yes").code == 2


def test_a_new_key_opens_what_it_sealed(shell: Shell) -> None:
    """The key alone is on stdout, so that a shell can take it."""
    from worker.tokens import Vault

    vault = Vault([shell("keys", "new").out.strip()])
    assert vault.open("acc_1", vault.seal("acc_1", "token")) == "token"
