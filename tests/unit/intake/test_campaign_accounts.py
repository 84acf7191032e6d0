"""The file of accounts that a campaign names: found beside it, its problems told at its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.intake.campaigns import of, read, told
from worker.intake import Known
from worker.intake.campaign import accounts

NAMED = of("{file: accounts.csv}")


def subs(folder: Path, content: str | bytes) -> tuple[str, ...]:
    """The accounts that a file of this content selects."""
    data = content.encode() if isinstance(content, str) else content
    (folder / "accounts.csv").write_bytes(data)
    return read(NAMED, folder=folder).select.subs


def faults(folder: Path, content: str | bytes, *, known: Known | None = None) -> list[str]:
    """What is wrong with a file, without the place where it is named."""
    data = content.encode() if isinstance(content, str) else content
    (folder / "accounts.csv").write_bytes(data)
    start = "line 4, column 20, select.accounts.file 'accounts.csv': "
    found = told(NAMED, folder=folder, known=known)
    assert all(line.startswith(start) for line in found)
    return [line.removeprefix(start) for line in found]


@pytest.mark.parametrize(
    "content",
    [
        "account\nacc_2\nacc_1\n",
        "account\r\nacc_1\r\nacc_2",
        "\ufeffname,account,x\nAnn,acc_1,\n,acc_2\n",
        '# who\n\n"account"\n# Ann\n"acc_1"\n\nacc_2\nacc_1\n',
    ],
)
def test_the_accounts_are_those_of_the_column(tmp_path: Path, content: str) -> None:
    """Other columns, remarks and repetitions do not matter."""
    assert subs(tmp_path, content) == ("acc_1", "acc_2")


def test_the_path_begins_at_the_campaigns_folder(tmp_path: Path) -> None:
    """A campaign is checked from anywhere; the path itself is kept as it was given."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "paris.csv").write_text("account\nacc_1\n")
    campaign = read(of("{file: lists/paris.csv}"), folder=tmp_path)
    assert (campaign.select.subs, campaign.accounts_file) == (("acc_1",), "lists/paris.csv")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file: no accounts in it; list them below the header"),
        ("account\n", "the file: no accounts in it; list them below the header"),
        ("acc_1\nacc_2\n", "in line 1 of it: no column account; write account above the accounts"),
        (
            "account\na b\n",
            "in line 2 of it 'a b': an id holds no white space or control characters; remove them",
        ),
        ("name,account\nAnn\n", "in line 2 of it: no account; give one, or remove the line"),
        (
            'account\n"acc_1\nacc_2\n',
            "in line 3 of it: a quote is not closed, or closed too early; correct it",
        ),
        (
            b"account\nacc_\xe9\nacc_1\n",
            "in line 2 of it: not UTF-8: byte 0xE9 at byte 5 of the line; save the file as UTF-8",
        ),
        (
            b"PK\x03\x04account",
            "the file: the file is a workbook or a ZIP archive; export it as CSV in UTF-8",
        ),
    ],
)
def test_its_problems_are_told_where_it_is_named(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    """Lines in it are named apart from the campaign's own."""
    assert faults(tmp_path, content) == [expected]


def test_accounts_must_be_known(tmp_path: Path) -> None:
    """As they must where the campaign lists them itself."""
    assert faults(tmp_path, "account\nacc_1\nacc_x\n", known=Known({"acc_1"}, set())) == [
        (
            "in line 3 of it 'acc_x': unknown account (did you mean \"acc_1\"?); correct it, "
            "or add it with `calpatch accounts import`"
        )
    ]


def test_only_the_first_problems_are_told(tmp_path: Path) -> None:
    """A wrong column has as many as it has lines."""
    found = faults(tmp_path, "account\n" + "a b\n" * 50)
    assert len(found) == accounts.MOST_TOLD + 1
    assert found[-1] == "the file: 40 more problems like these"


def test_a_file_that_is_not_there_or_none_is_told(tmp_path: Path) -> None:
    """Where its path begins is what people get wrong."""
    assert told(NAMED, folder=tmp_path) == [
        (
            "line 4, column 20, select.accounts.file 'accounts.csv': the file: it cannot be read "
            "(No such file or directory); its path begins at the folder of this campaign file"
        )
    ]
    (tmp_path / "accounts.csv").mkdir()
    assert told(NAMED, folder=tmp_path) == [
        (
            "line 4, column 20, select.accounts.file 'accounts.csv': "
            "the file: it is no file; name a CSV"
        )
    ]


def test_a_device_without_end_is_not_read(tmp_path: Path) -> None:
    """The file comes from somebody; reading it must end."""
    [line] = told(of("{file: /dev/zero}"), folder=tmp_path)
    assert line.endswith("the file: it is no file; name a CSV")


def test_too_many_accounts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept in memory, so there is an end to them."""
    monkeypatch.setattr(accounts, "MOST_ACCOUNTS", 3)
    content = "account\n" + "".join(f"acc_{n}\n" for n in range(9))
    assert faults(tmp_path, content) == ["in line 4 of it: more than 3 lines; select by label"]
