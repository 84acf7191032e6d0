"""Hostile words in everything that somebody may type or hand in (checklist C 17, 19 to 21)."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect

from tests.unit.cli.commands import Shell, complete_settings
from worker.model import Policy
from worker.store import Database, EditRow, NewCampaign, Store, migrate

INJECTIONS = (
    "'; DROP TABLE edits; --",
    '" OR ""="',
    "1; UPDATE accounts SET status = 'lost'",
    "') UNION SELECT access_token FROM accounts --",
    "\\'; SELECT pg_sleep(9); --",
    "%s %(x)s :key ?1 $1 {0} {{",
    "/* */ -- #",
    "\u02bc; DROP TABLE edits",
    "../../etc/passwd",
    "a" * 200,
    "\U0001f600\u202e",
)

_NUMBERS = count()

#: words as somebody would try them, alone and within any text
hostile = st.one_of(
    st.sampled_from(INJECTIONS),
    st.builds(
        "{}{}".format,
        st.sampled_from(INJECTIONS),
        st.text(st.characters(codec="utf-8"), max_size=9),
    ).map(lambda text: text.replace("\0", "")),
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
    ],
)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One store for all examples."""
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'calpatch.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
    opened = Store(Database(url))
    migrate(opened.database)
    yield opened
    opened.database.dispose()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(hostile, min_size=7, max_size=7))
def test_sql_takes_every_word_as_a_word(store: Store, words: list[str]) -> None:
    """Keys, reasons, owners, references, accounts, calendars, events: stored and found as given."""
    key, reason, owner, ref, account, calendar, uid = words
    number = next(_NUMBERS)
    key = f"{number}{key}"
    row = EditRow(
        line_no=2, account=account[:200], calendar_id=calendar[:200],
        event_uid=f"{number}{uid}"[:250],
        hint=None, ref=ref[:200], patch="{}", cells=json.dumps([ref]),
        change_digest=f"{number:064x}", relative=False, duplicate=False,
    )  # fmt: skip
    new = NewCampaign(
        key=key[:250], digest="d", reason=reason, owner=owner[:250], source=ref, columns=(ref,),
        policy=Policy(),
    )  # fmt: skip
    before = set(inspect(store.database.engine).get_table_names())
    made, _ = store.campaigns.submit(
        new, [row], campaign_id=f"c_{number:x}"[:24], image_key=b"k" * 32, chunk_size=10
    )

    found = store.campaigns.get(key[:250])
    assert found is not None
    assert (found.id, found.reason, found.owner) == (made.id, reason, owner[:250])
    [outcome] = store.reading.of_event(row.event_uid)[-1:]
    assert (outcome.calendar_id, outcome.event_uid) == (row.calendar_id, row.event_uid)
    assert set(inspect(store.database.engine).get_table_names()) == before
    assert store.audit.verify()[1] == []


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A folder with a database and an account."""
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    made = Shell(folder, monkeypatch, capsys, complete_settings())
    made("migrate")
    (folder / "a.csv").write_text("sub,access_token,refresh_token\nacc_1,a,r\n")
    made("accounts", "import", "a.csv")
    return made


#: what a submitter could put into a campaign's key to have its results elsewhere, or into a cell
KEYS = (
    "../../escaped",
    "/tmp/escaped",
    "..",
    "a/b",
    "~/x",
    "$(touch escaped)",
    "`id`",
    *INJECTIONS,
)


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_key_leads_nowhere(shell: Shell, key: str) -> None:
    """Whatever a campaign is called: results go where the operator says, or into a plain folder."""
    rows = "account,calendar_id,event_uid,shift,x_note\nacc_1,cal_1,evt_external_1,PT1H,=1+1\n"
    (shell.folder / "edits.csv").write_text(rows)
    before = _tree(shell.folder.parent.parent)

    submitted = shell("submit", "edits.csv", f"--key={key}", "--reason", "test", "--yes")

    assert submitted.code in {0, 2}, submitted.err
    for arguments in (["status", "--", key], ["results", "--", key], ["why", "--", key], ["list"]):
        ended = shell(*arguments)
        assert ended.code in {0, 2}, ended.err
        assert "Traceback" not in ended.err
        assert all(char.isprintable() or char == "\n" for char in ended.out + ended.err)
    new = {path for path in _tree(shell.folder.parent.parent) - before if ".db" not in path}
    folders = {path.split("/")[2] for path in new}
    assert len(folders) <= 1, folders
    assert all(path.startswith("inner/folder/results-c_") for path in new), new


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "column", ["x_../../escaped", "x_=cmd", "x_\x1b[31m", "x_';--", "x_<script>", "x_\u202e"]
)
def test_a_column_s_name_runs_nowhere(shell: Shell, column: str) -> None:
    """It comes back in results: refused, or a cell like any other; no path and no formula."""
    path = shell.folder / "edits.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["account", "calendar_id", "event_uid", "shift", column])
        rows.writerow(["acc_1", "cal_1", "evt_external_1", "PT1H", "note"])
    before = _tree(shell.folder.parent.parent)
    ended = shell("submit", "edits.csv", "--key", "k", "--reason", "test", "--yes")
    assert ended.code in {0, 2}
    assert all(char.isprintable() or char == "\n" for char in ended.out + ended.err)
    if ended.code == 0:
        shell("results", "--latest", "--out", "out")
        head = (shell.folder / "out" / "open.csv").read_text().splitlines()[0]
        assert not [cell for cell in next(csv.reader([head])) if cell[:1] in "=+-@\t\r\n\0"]
    new = {each for each in _tree(shell.folder.parent.parent) - before if ".db" not in each}
    assert all(each.startswith("inner/folder/out") for each in new), new


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "'=", " ="])
def test_a_formula_in_a_note_is_defused_in_every_file(shell: Shell, start: str) -> None:
    """From the file that came in to the one that goes out, through the database and back."""
    note = f'{start}HYPERLINK("http://evil.example";"x")'
    path = shell.folder / "edits.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["account", "calendar_id", "event_uid", "shift", "x_note", "ref"])
        rows.writerow(["acc_1", "cal_1", "evt_external_1", "PT1H", note, "r"])
    submitted = shell("submit", "edits.csv", "--key", "k", "--reason", "test", "--yes")
    if submitted.code:  # refused as it stands, which is as safe
        assert submitted.code == 2
        return
    shell("results", "--latest", "--out", "out")
    with (shell.folder / "out" / "open.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["x_note"][:1] not in set("=+-@\t\r\n\0\uff1d")
    modes = {stat.S_IMODE(each.stat().st_mode) for each in (shell.folder / "out").iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd\0", "\x1b[31m", "'; DROP TABLE edits"])
def test_a_file_s_name_is_only_a_name(shell: Shell, name: str) -> None:
    """One line of error, in which nothing is obeyed."""
    for command in ("validate", "accounts import"):
        ended: Any = shell(*command.split(), name)
        assert ended.code == 2
        assert all(char.isprintable() or char == "\n" for char in ended.err)
