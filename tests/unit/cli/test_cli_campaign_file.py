"""`calpatch init`, `schema` and `validate`: from an example to a campaign that is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.intake.campaigns import FILE, about, changed, doing, like, of
from worker.intake.campaign import example, schema_text

NO_DATABASE = "The accounts were not checked: There is no database at CALPATCH_DATABASE_URL yet"
REFUSED = "Nothing was stored or sent; correct the file and try again"


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys, {})


class TestInit:
    """Writing the example."""

    def test_what_it_writes_is_valid(self, shell: Shell) -> None:
        """The first thing that a new user does works."""
        ended = shell("init")
        assert (ended.code, ended.out) == (0, "")
        assert ended.last_words == (
            "campaign.yaml is written; change it, then check it: calpatch validate campaign.yaml"
        )
        assert (shell.folder / "campaign.yaml").read_text(encoding="utf-8") == example()
        checked = shell("validate", "campaign.yaml")
        assert (checked.code, checked.err) == (0, f"{NO_DATABASE}\n")
        assert (
            checked.out.splitlines()[0]
            == "campaign office-move-paris: The office opens an hour later"
        )
        assert checked.out.splitlines()[-1] == "no problems"

    def test_it_writes_to_standard_output(self, shell: Shell) -> None:
        """For a look, or for a pipe."""
        ended = shell("init", "-")
        assert (ended.code, ended.out, ended.err) == (0, example(), "")

    def test_it_overwrites_nothing(self, shell: Shell) -> None:
        """The file may be a day's work."""
        (shell.folder / "mine.yaml").write_text("mine")
        ended = shell("init", "mine.yaml")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "calpatch: mine.yaml is there already, and is left as it is. Name another file\n"
        )
        assert (shell.folder / "mine.yaml").read_text() == "mine"

    @pytest.mark.parametrize("file", ["missing/mine.yaml", "mi\0ne.yaml"])
    def test_a_file_that_cannot_be_written_is_told(self, shell: Shell, file: str) -> None:
        """No stack trace for a folder that is not there."""
        ended = shell("init", file)
        assert ended.code == 2
        assert "cannot be written" in ended.last_words
        assert ended.last_words.endswith("Name another file")


def test_the_schema_is_printed_as_it_is_shipped(shell: Shell) -> None:
    """Editors read it from a file that the user writes."""
    ended = shell("schema")
    assert (ended.code, ended.out, ended.err) == (0, schema_text(), "")
    assert ended.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


WRONG = {
    "an empty file": "",
    "no YAML": about("Move: the office"),
    "another form": of("{group: paris}"),
    "several faults": doing("shift: 1h", "set: {summary: ''}"),
    "no regex": like("{summary: /(/}"),
    "a NUL": about("\0"),
    "levels without end": "[" * 5000,
    "an alias": of("*x"),
}


class TestValidate:
    """Checking a campaign."""

    def test_a_campaign_is_told_in_words(self, shell: Shell) -> None:
        """Whoever checks it reads what it would do."""
        (shell.folder / "move.yml").write_text(FILE)
        ended = shell("validate", "move.yml")
        assert (ended.code, ended.out.splitlines()[0]) == (0, "campaign move: The office moves")

    def test_machines_read_the_same(self, shell: Shell) -> None:
        """The digest names the campaign's meaning, as it does an edit file's."""
        (shell.folder / "move.txt").write_text(FILE)
        ended = shell("validate", "move.txt", "--format", "yaml", "--json")
        assert ended.code == 0
        assert ended.json["described"][0] == "campaign move: The office moves"
        assert len(ended.json["digest"]) == 64
        assert {name: ended.json[name] for name in ("campaign", "reason", "problems")} == {
            "campaign": "move",
            "reason": "The office moves",
            "problems": [],
        }
        assert ended.json["accounts_checked"] is False

    def test_accounts_are_checked_against_the_database(self, shell: Shell) -> None:
        """When there is one; here it has no account at all."""
        (shell.folder / "move.yaml").write_text(of("[acc_1]"))
        assert shell("validate", "move.yaml").code == 0
        assert shell("migrate").code == 0
        ended = shell("validate", "move.yaml")
        assert ended.code == 2
        assert ended.err.startswith(
            "line 4, column 14, select.accounts[0] 'acc_1': unknown account;"
        )

    def test_problems_are_told_by_place_with_the_next_step(self, shell: Shell) -> None:
        """On stderr, in the order of the file; nothing else is said."""
        text = changed("shift: PT1H", "shift: 1h").replace("all", "al")
        (shell.folder / "move.yaml").write_text(text)
        ended = shell("validate", "move.yaml")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.splitlines() == [
            (
                "line 4, column 13, select.accounts 'al': neither all nor a list; "
                "write all, [acc_1, acc_2], {labels: [paris]} or {file: accounts.csv}"
            ),
            (
                "line 7, column 12, transform[0].shift '1h': not an ISO 8601 duration; "
                "write -P1D, P1W, PT30M or P1DT2H"
            ),
            f"calpatch: 2 problems in the input. {REFUSED}",
        ]

    def test_machines_read_the_problems_by_their_places(self, shell: Shell) -> None:
        """An editor may jump to them."""
        (shell.folder / "move.yaml").write_text(doing("shift: 1h"))
        ended = shell("validate", "move.yaml", "--json")
        assert ended.code == 2
        [problem] = ended.json["problems"]
        assert (problem["line"], problem["position"], problem["column"], problem["value"]) == (
            7,
            12,
            "transform[0].shift",
            "1h",
        )

    def test_the_file_of_accounts_is_beside_the_campaign(self, shell: Shell) -> None:
        """Wherever the command is run."""
        folder = shell.folder / "campaigns"
        folder.mkdir()
        (folder / "accounts.csv").write_text("account\nacc_1\n")
        (folder / "move.yaml").write_text(of("{file: accounts.csv}"))
        ended = shell("validate", "campaigns/move.yaml")
        assert "selects events of 1 account (acc_1)" in ended.out

    def test_a_terminal_shows_what_it_would_else_obey(self, shell: Shell) -> None:
        """Nothing of a file reaches the terminal as a command."""
        (shell.folder / "move.yaml").write_text(changed("all", "al\\u009b2J"))
        ended = shell("validate", "move.yaml")
        assert ended.code == 2
        assert "\x9b" not in ended.err

    @pytest.mark.parametrize("name", WRONG)
    def test_a_wrong_campaign_ends_with_2_in_a_shell(self, name: str, tmp_path: Path) -> None:
        """As a process of its own: every line is a sentence with a place, none is a trace."""
        (tmp_path / "move.yaml").write_text(WRONG[name], encoding="utf-8")
        command = [sys.executable, "-m", "worker.cli", "validate", "move.yaml"]
        url = f"sqlite:///{tmp_path / 'calpatch.db'}"
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env={"CALPATCH_DATABASE_URL": url, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=False,
        )
        *problems, last = ended.stderr.splitlines()
        assert (ended.returncode, ended.stdout) == (2, "")
        assert problems
        assert all(line.startswith(("line ", "file: ")) for line in problems)
        assert last.endswith(REFUSED)
        assert "Traceback" not in ended.stderr
