"""Bad days at home, all in one place: what a person gets wrong, or what is not there.

Each ends in one true line that names the thing and the next step, with the promised exit code, and
nothing is stored. What goes wrong at the API is in test_bad_days.py.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, a_campaign, a_store, uid
from worker.embedded import valkey_server
from worker.store import NewAccount
from worker.tokens import Vault, generate_key

HEADER = "account,calendar_id,event_uid,shift"
GOOD = f"{HEADER}\nacc_1,cal_1,{uid(1)},PT1H\n"
SUBMIT = ("submit", "edits.csv", "--key", "k1", "--reason", "New office hours", "--yes")
SECRET = "sesame-of-redis"

Words: TypeAlias = tuple[str, ...]


@pytest.fixture
def shell(bare_shell: Shell, tmp_path: Path) -> Shell:
    """Complete settings, a database with an account and an ended campaign, and no Redis."""
    shell = bare_shell
    store = a_store(tmp_path / "calpatch.db")
    a_campaign(store, ONE_OF_EACH, name="c_1")
    vault = Vault([os.environ["CALPATCH_VAULT_KEYS"]])
    sealed = {name: vault.seal("acc_1", "t") for name in ("access_token", "refresh_token")}
    store.accounts.import_all([NewAccount(sub="acc_1", label="Zoë", **sealed)], actor="test")
    (tmp_path / "edits.csv").write_text(GOOD)
    return shell


def refused(shell: Shell, command: Words, *, code: int, said: str) -> None:
    """Run a command that fails: one line last, with the next step, and nothing stored."""
    before = _stored(shell.folder / "calpatch.db")
    ended = shell(*command)
    assert said in ended.err
    assert ended.code == code
    assert ended.last_words.startswith("calpatch: ")
    assert ended.out == ""
    for never in ("Traceback", "Error:", SECRET):
        assert never not in ended.err
    assert _stored(shell.folder / "calpatch.db") == before


def _stored(file: Path) -> int:
    connection = sqlite3.connect(file)
    try:
        (count,) = connection.execute("SELECT count(*) FROM campaigns").fetchone()
    finally:
        connection.close()
    return int(count)


# ------------------------------------------------------------------- settings

SETTINGS = [
    ("VAULT_KEYS", "", ("work",), "Not set: CALPATCH_VAULT_KEYS. Set it in the environment"),
    ("VAULT_KEYS", "", ("accounts", "import", "a.csv"), "`calpatch keys new` makes a vault key"),
    ("VAULT_KEYS", "abc", ("work",), "CALPATCH_VAULT_KEYS: key 1 of 1 is not a key"),
    ("VAULT_KEYS", "abc", ("accounts", "check"), "Make a key with `calpatch keys new`"),
    ("CRONOFY_CLIENT_ID", "", ("accounts", "check"), "Not set: CALPATCH_CRONOFY_CLIENT_ID"),
    ("RATE", "0/s", ("work",), "CALPATCH_RATE: 0/s: at least 1. Write it as in 50/s,500/min"),
    ("RATE", "0/s", ("limits",), "CALPATCH_RATE: 0/s"),
    ("SHARE", "170%", SUBMIT, "CALPATCH_SHARE: expected a share above 0% and up to 100%"),
    ("RATE_MARGIN", "100", SUBMIT, "CALPATCH_RATE_MARGIN: expected at most 1s, such as 100ms"),
    ("BATCH_SIZE", "51", SUBMIT, "CALPATCH_BATCH_SIZE: "),
    ("LEASE", "soon", SUBMIT, "CALPATCH_LEASE: expected a duration such as 90s, 15m or 2h"),
    ("LOG_LEVEL", "loud", SUBMIT, "CALPATCH_LOG_LEVEL: expected DEBUG, INFO"),
    ("API_URL", "nonsense", ("work",), "CALPATCH_API_URL is not a usable address. Give http"),
    ("REDIS_URL", f"http://:{SECRET}@h", ("work",), "Set CALPATCH_REDIS_URL=redis://host:port/0"),
    ("REDIS_URL", f"http://:{SECRET}@h", ("beat",), "Set CALPATCH_REDIS_URL=redis://host:port/0"),
    ("REDIS_URL", "hello", ("limits",), "Set CALPATCH_REDIS_URL=redis://host:port/0"),
]


@pytest.mark.row(39)
@pytest.mark.parametrize(("name", "value", "command", "said"), SETTINGS)
def test_a_wrong_setting_is_named(
    shell: Shell, name: str, value: str, command: Words, said: str
) -> None:
    """A worker above all: started with it, it would fail at every task for ever."""
    shell.setenv(f"CALPATCH_{name}", value)
    refused(shell, command, code=7, said=said)


def test_the_key_of_another_installation_opens_nothing(shell: Shell) -> None:
    """The doctor says which key is missing, by an id that tells nothing."""
    shell.setenv("CALPATCH_VAULT_KEYS", generate_key())
    findings = {each["name"]: each for each in shell("doctor", "--json").json}
    assert findings["vault"]["status"] == "fail"
    assert "sealed with a key that CALPATCH_VAULT_KEYS does not hold" in findings["vault"]["detail"]
    assert "Append the former key" in findings["vault"]["next_step"]


def test_a_settings_file_in_another_encoding_is_named(shell: Shell) -> None:
    """Some editors save UTF-16."""
    (shell.folder / ".env").write_bytes("CALPATCH_RATE=1/s\n".encode("utf-16"))
    refused(shell, ("status",), code=7, said="settings file .env cannot be read. Save it as UTF-8")


# ------------------------------------------------------------------- the database


def _empty(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (name TEXT)")
    connection.close()


def _from_the_future(file: Path) -> None:
    connection = sqlite3.connect(file)
    ours = sqlite3.connect(file.with_name("calpatch.db"))
    ours.backup(connection)
    ours.close()
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()


DATABASES = [
    (None, "There is no database at CALPATCH_DATABASE_URL yet. Run `calpatch migrate`"),
    (_empty, "The database has no tables of calpatch. Run `calpatch migrate`"),
    (_from_the_future, "version 9999, which this calpatch does not know. Use the calpatch that"),
    (lambda file: file.write_bytes(b"no database" * 99), "is not a SQLite database. Check"),
    (Path.mkdir, "The database file cannot be opened. Check that its folder exists"),
]


@pytest.mark.parametrize("command", [("status",), ("work",), SUBMIT])
@pytest.mark.parametrize(("make", "said"), DATABASES)
def test_a_database_that_is_none_of_ours_is_left_alone(
    shell: Shell, make: Callable[[Path], object] | None, said: str, command: Words
) -> None:
    """Not there, without tables, of a newer version, another file: each has another next step."""
    if make is not None:
        make(shell.folder / "other.db")
    shell.setenv("CALPATCH_DATABASE_URL", f"sqlite:///{shell.folder / 'other.db'}")
    refused(shell, command, code=7, said=said)
    assert (shell.folder / "other.db").exists() is (make is not None)


@pytest.mark.parametrize("command", [("migrate",), ("migrate", "--check"), ("doctor",)])
def test_nobody_is_sent_to_migrate_a_database_of_the_future(shell: Shell, command: Words) -> None:
    """It would refuse, and the person would go round in circles."""
    _from_the_future(shell.folder / "other.db")
    shell.setenv("CALPATCH_DATABASE_URL", f"sqlite:///{shell.folder / 'other.db'}")
    ended = shell(*command)
    assert ended.code == 7
    assert "Use the calpatch that migrated it" in ended.out + ended.err
    assert "Run `calpatch migrate`" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:9/db", "The database does not answer"),
        (f"mysql://u:{SECRET}@h/db", "names mysql, which is not supported. Use sqlite:///FILE or"),
        ("hello", "is not a database URL. Use sqlite:///FILE or postgresql://user@host/db"),
        ("sqlite:////no/such/folder/x.db", "There is no database at CALPATCH_DATABASE_URL yet"),
    ],
)
@pytest.mark.parametrize("command", [("status",), ("work",)])
def test_an_address_of_no_database_is_said(
    shell: Shell, url: str, said: str, command: Words
) -> None:
    """Without the password that stands in it."""
    shell.setenv("CALPATCH_DATABASE_URL", url)
    refused(shell, command, code=7, said=said)


# ------------------------------------------------------------------- Redis


@pytest.mark.row(8)
@pytest.mark.redis
@pytest.mark.parametrize("command", ["work", "beat"])
def test_a_wrong_password_of_redis_is_refused_at_the_start(
    shell: Shell, redis_url: str, command: str
) -> None:
    """Celery would try again for ever, with the name of a module as its only word."""
    shell.setenv(
        "CALPATCH_REDIS_URL", redis_url.replace("://calpatch:", f"://nobody:{SECRET}@calpatch:")
    )
    said = "Redis: refuses the user or password. Correct the user and password"
    refused(shell, (command,), code=7, said=said)


@pytest.mark.row(7)
@pytest.mark.redis
def test_the_doctor_tells_a_frozen_redis_from_a_missing_one(shell: Shell) -> None:
    """One wants a restart, the other an address."""
    with valkey_server() as server:
        server.pause()
        shell.setenv("CALPATCH_REDIS_URL", server.url)
        frozen = {each["name"]: each for each in shell("doctor", "--json").json}["redis"]
    missing = {each["name"]: each for each in shell("doctor", "--json").json}["redis"]
    assert frozen["detail"] == "does not answer within 3 s"
    assert missing["detail"] == "does not answer (ConnectionError)"
    assert "correct CALPATCH_REDIS_URL" in missing["next_step"]


@pytest.mark.row(7)
@pytest.mark.parametrize(
    ("command", "then"), [("work", "A worker for 16 "), ("beat", "The clock ")]
)
def test_who_comes_before_redis_says_what_it_waits_for(
    shell: Shell, command: str, then: str
) -> None:
    """When a machine starts, Redis may come last: that is no reason to give up."""
    words = [sys.executable, "-m", "worker.cli", command]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        process.terminate()
        process.stderr.read()
    assert said[0].startswith("Redis does not answer (ConnectionError): waiting for it. Start ")
    assert said[1].startswith(then)
    assert "SIGTERM ends it" in said[1]


# ------------------------------------------------------------------- files of edits

FILES = [
    (None, "file 'edits.csv': the file cannot be read: No such file or directory"),
    (b"", "file: no edits: the file is empty; begin with a line of column names"),
    (f"{HEADER}\n".encode(), "file: no edits; below the header there are only comments"),
    (GOOD.encode("utf-16"), "file: the file is in UTF-16; save it as UTF-8"),
    (GOOD.replace(",", ";").encode(), "line 1: the cells are separated by semicolons"),
    (b"PK\x03\x04" + b"\0" * 99, "the file is a workbook or a ZIP archive; export it as CSV"),
    (GOOD.replace("shift", "shfit").encode(), 'unknown column (did you mean "shift"?)'),
    (GOOD.replace("PT1H", "1 hour").encode(), "shift '1 hour': not an ISO 8601 duration"),
    (GOOD.replace("acc_1", "acc_2").encode(), "account 'acc_2': unknown account (did you mean"),
    (GOOD.replace("PT1H", "").encode(), "line 2: nothing to change; say what the edit shall"),
    (GOOD.replace("PT1H", "PT1H,x").encode(), "5 cells, but the header names 4 columns"),
    (b"a" * 99_999, "line 1: longer than 65,536 characters; shorten it"),
]


@pytest.mark.parametrize(("content", "said"), FILES)
def test_a_file_with_a_problem_is_refused_whole(
    shell: Shell, content: bytes | None, said: str
) -> None:
    """By line and column, with what to do; and a file with one problem stores nothing."""
    (shell.folder / "edits.csv").unlink()
    if content is not None:
        (shell.folder / "edits.csv").write_bytes(content)
    refused(shell, SUBMIT, code=2, said=said)


def test_a_folder_is_no_file(shell: Shell) -> None:
    """As when a variable in a script is empty: `submit "$DIR/"`."""
    refused(shell, ("validate", "."), code=2, said="the file cannot be read: Is a directory")


def test_a_wrong_word_on_every_line_is_told_once(shell: Shell) -> None:
    """A hundred lines that say the same hide the one that says something else."""
    lines = [f"acc_2,cal_1,{uid(number)},PT1H" for number in range(1, 31)]
    lines.append(f"acc_1,cal_1,{uid(31)},soon")
    (shell.folder / "edits.csv").write_text("\n".join([HEADER, *lines]))
    ended = shell(*SUBMIT)
    account, shift, end = ended.err.splitlines()
    assert account.startswith("line 2, account 'acc_2': unknown account")
    assert account.endswith("(also line 3, 4, 5, 6, 7 and 24 more)")
    assert shift.startswith("line 32, shift 'soon': ")
    assert end.startswith("calpatch: 31 problems in the input. Nothing was stored")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "file 'tokens.csv': the file cannot be read: No such file or directory"),
        (b"", "file: no accounts; the file is empty"),
        (GOOD.encode(), "column 1 is not one of sub, access_token, refresh_token"),
        (b"sub,access_token\na,b\n", "line 1, refresh_token: column missing"),
        ("sub\n".encode("utf-16"), "the file is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_file_of_accounts_is_refused_whole(
    shell: Shell, content: bytes | None, said: str
) -> None:
    """Its cells are never shown: any of them may be a token."""
    if content is not None:
        (shell.folder / "tokens.csv").write_bytes(content)
    refused(shell, ("accounts", "import", "tokens.csv"), code=2, said=said)


# ------------------------------------------------------------------- words that are wrong

WORDS = [
    (SUBMIT[:-1], 4, "nothing was submitted, nobody is there to ask. Add --yes to submit"),
    ((*SUBMIT, "--wait", "soon"), 2, "--wait 'soon': expected a duration such as 90s, 15m or 2h"),
    (("sumbit",), 2, "No such command 'sumbit'. Did you mean 'submit'?"),
    (("status", "--lastest"), 2, "No such option: --lastest (Possible options: --latest)"),
    (("submit", "edits.csv"), 2, "--reason is missing. Such as --reason"),
    (("status", "key-c_2"), 2, "the id or key key-c_2. Did you mean key-c_1? `calpatch list`"),
    (("results", "nothing-like-it"), 2, "the id or key nothing-like-it. `calpatch list` shows all"),
    (("results", "--only", "failure"), 2, "expected succeeded, failed, skipped or not_attempted"),
    (("results", "--out", "edits.csv"), 7, "(File exists). Give another folder with --out"),
    (("results", "--out", "/proc/no"), 7, "cannot be written to /proc/no"),
    (("list", "--state", "runing"), 2, "--state 'runing': expected draft, planning"),
    (("why", "evt_none"), 2, "No campaign has an edit of evt_none. Copy the event_uid from"),
    (("accounts", "forget", "acc_9"), 2, "No such account: acc_9. See `calpatch accounts list`"),
    (("accounts", "forget", "acc_1"), 4, "nothing was forgotten. Add --yes to do it"),
]


@pytest.mark.parametrize(("command", "code", "said"), WORDS)
def test_a_wrong_word_is_told_with_the_right_one(
    shell: Shell, command: Words, code: int, said: str
) -> None:
    """Typing errors are most of what goes wrong."""
    refused(shell, command, code=code, said=said)


def test_the_same_key_never_means_two_things(shell: Shell) -> None:
    """The same content is known already (exit 0), another one is refused (exit 2)."""
    assert shell(*SUBMIT).code == 0
    assert "known already, not run again" in shell(*SUBMIT).err
    (shell.folder / "edits.csv").write_text(GOOD.replace("PT1H", "PT2H"))
    refused(shell, SUBMIT, code=2, said="Choose another --key, or see `calpatch status c_")


def test_an_empty_list_says_so(shell: Shell) -> None:
    """A header above nothing looks like a fault."""
    ended = shell("list", "--state", "running")
    assert (ended.code, ended.out, ended.err) == (0, "", "No campaign is running\n")


# ------------------------------------------------------------------- the machine


def _process(script: str, **more: object) -> subprocess.CompletedProcess[str]:
    code = f"import sys\nfrom worker.cli.main import main\n{script}\nmain()\n"
    return subprocess.run(
        [sys.executable, "-c", code, *str(more.pop("words")).split()],
        stderr=subprocess.PIPE, text=True, check=False, **more,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.mark.row(27)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full (Linux)")
def test_output_onto_a_full_disk_is_no_internal_error(shell: Shell) -> None:
    """`calpatch list > list.txt` must not end well with half a file."""
    with Path("/dev/full").open("w") as full:
        ended = _process("", words="list", stdout=full)
    assert ended.returncode == 1
    assert ended.stderr == (
        "calpatch: the output cannot be written (No space left on device); run it again elsewhere\n"
    )


@pytest.mark.row(27)
def test_results_onto_a_full_disk_leave_no_half_files(shell: Shell) -> None:
    """A file that stops in the middle would look like a small campaign."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))"
    ended = _process(limit, words="results --out out", stdout=subprocess.PIPE)
    assert ended.returncode == 7
    assert "cannot be written to out (File too large). Give another folder" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not list((shell.folder / "out").glob("*"))


def test_an_old_locale_shows_escapes(shell: Shell) -> None:
    """Names have letters that ASCII has not; a cron job often runs in the C locale."""
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environ = {**os.environ, **plain}
    ended = _process("", words="accounts list", stdout=subprocess.PIPE, env=environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Zo\\xeb" in ended.stdout
