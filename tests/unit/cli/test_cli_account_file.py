"""Files of accounts: all problems at once, by line and column, and never a token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.account_file import read_accounts
from worker.errors import InvalidInput
from worker.tokens import Vault, generate_key

VAULT = Vault([generate_key()])
HEADER = "sub,access_token,refresh_token,expires_at,data_center,label"
GOOD = "acc_1,canary-access,canary-refresh,2026-03-01T14:00:00Z,de,Ana"


def written(tmp_path: Path, *lines: str) -> str:
    """Write a file and return its path."""
    path = tmp_path / "accounts.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def problems(tmp_path: Path, *lines: str) -> list[str]:
    """Return a bad file's problems as they are shown."""
    with pytest.raises(InvalidInput) as caught:
        read_accounts(written(tmp_path, *lines), VAULT)
    return [str(each) for each in caught.value.problems]


def test_a_good_file_gives_sealed_accounts(tmp_path: Path) -> None:
    """Tokens leave the reader sealed, and open only for their account."""
    (found,) = read_accounts(written(tmp_path, HEADER, GOOD), VAULT)
    assert (found.sub, found.data_center, found.label) == ("acc_1", "de", "Ana")
    assert found.expires_at is not None
    assert b"canary" not in found.access_token + found.refresh_token
    assert VAULT.open("acc_1", found.refresh_token) == "canary-refresh"
    assert "canary" not in repr(found)


def test_only_three_columns_are_needed(tmp_path: Path) -> None:
    """The rest has sensible defaults."""
    (found,) = read_accounts(
        written(tmp_path, "refresh_token,sub,access_token", "r,acc_1,a"), VAULT
    )
    assert (found.data_center, found.label, found.expires_at) == ("us", "", None)


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    """Programs write objects."""
    line = '{"sub":"acc_1","access_token":"a","refresh_token":"r","label":"Ana"}'
    (found,) = read_accounts(written(tmp_path, line), VAULT)
    assert found.label == "Ana"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Nobody likes to mend a file line by line."""
    found = problems(
        tmp_path, HEADER,
        "acc_1,,r,yesterday,mars,x",
        "acc_1,a,r,,,",
        "acc 2,a,r,,,",
        "short,a",
    )  # fmt: skip
    assert found == [
        "line 5: 2 cells, but the header names 6 columns",
        "line 2, access_token: missing; every account needs it",
        "line 2, data_center: not one of us, au, ca, de, sg, uk",
        "line 2, expires_at: not a time with zone; write it as in 2026-03-01T14:00:00Z",
        "line 3, sub: line 2 has the same account; keep one",
        "line 4, sub: holds white space or control characters; remove them",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ("acc_1,canary-access,canary-refresh",),
        ("access_token,sub,refresh_token,data_center", "a,canary b,r,canary-token"),
        (HEADER, "acc_1,canary access,canary\x07refresh,canary-at,canary-dc," + "canary" * 99),
        ('{"sub":"acc_1","canary-key":"x"}',),
        ('{"sub":"acc_1","access_token":"canary"',),
        (HEADER, 'acc_1,"canary,unclosed,r,,,'),
    ],
)
def test_no_value_is_ever_shown(lines: tuple[str, ...], tmp_path: Path) -> None:
    """Columns get swapped and headers forgotten: any cell may be a token (law 9)."""
    text = "\n".join(problems(tmp_path, *lines))
    assert text
    assert "canary" not in text


@given(data=st.binary(max_size=200))
def test_any_bytes_give_accounts_or_problems(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a person exports from whatever program: no exception of another kind."""
    path = tmp_path_factory.mktemp("any") / "accounts.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidInput):
        read_accounts(str(path), VAULT)


def test_a_missing_file_is_said_by_its_reason(tmp_path: Path) -> None:
    """By its name too: a script's log does not show what was typed."""
    with pytest.raises(InvalidInput) as caught:
        read_accounts(str(tmp_path / "none.csv"), VAULT)
    name = str(tmp_path / "none.csv")
    assert str(caught.value.problems[0]) == (
        f"file {name!r}: the file cannot be read: No such file or directory"
    )
