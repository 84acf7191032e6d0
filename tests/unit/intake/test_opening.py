"""Opening an input: a file, a pipe or standard input, of a known or a plain format."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from tests.unit.intake.samples import a_csv, a_jsonl
from worker.errors import InvalidInput
from worker.intake import check, open_input, rows

CSV, JSONL = a_csv(shift="PT1H"), a_jsonl(shift="PT1H")


def refusal(path: str, **options: str) -> str:
    with pytest.raises(InvalidInput) as caught, open_input(path, **options):  # type: ignore[arg-type]
        pass
    (problem,) = caught.value.problems
    return problem.message


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("edits.csv", CSV, "csv"),
        ("EDITS.CSV", CSV, "csv"),
        ("edits.jsonl", JSONL, "jsonl"),
        ("edits.ndjson", JSONL, "jsonl"),
        ("edits", CSV, "csv"),
        ("edits", JSONL, "jsonl"),
        ("edits.txt", "\ufeff\n " + JSONL, "jsonl"),
        ("campaign.yaml", "", "yaml"),
        ("CAMPAIGN.YML", "a,b", "yaml"),
        ("campaign", "version: 1\n", "yaml"),
        ("campaign", "\ufeff# Ours\r\n\r\n  # of two lines\r\ncampaign : {}\r\n", "yaml"),
        ("campaign", "---\na: b\n", "yaml"),
        ("edits", "# version: 1\n" + CSV, "csv"),
        ("edits", "version,campaign\n", "csv"),
    ],
)
def test_the_format_is_that_of_the_suffix_or_plain_to_see(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    """No CSV header begins with a brace, and every JSONL edit does."""
    (tmp_path / name).write_text(content)
    with open_input(str(tmp_path / name)) as opened:
        assert opened.format == kind


def test_a_given_format_wins(tmp_path: Path) -> None:
    """Exports have the strangest names."""
    path = tmp_path / "edits.csv"
    path.write_text(JSONL)
    with open_input(str(path), format="jsonl") as opened:
        assert check(opened, accounts=None).rows == 1


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """A typing error must not end as a guess."""
    path = tmp_path / "edits.csv"
    path.write_text(CSV)
    assert refusal(str(path), format="xml") == "unknown format xml; give csv, jsonl or yaml"


def test_a_file_is_closed_afterwards(tmp_path: Path) -> None:
    """Also when its rows were not read to the end."""
    path = tmp_path / "edits.csv"
    path.write_text(CSV)
    with open_input(str(path)) as opened:
        check(opened, accounts=None)
        left = rows(opened)
        next(left)
    assert opened.stream.closed
    assert not opened.spool.file.parent.exists()
    left.close()  # type: ignore[attr-defined]


def test_standard_input_is_copied_and_left_open() -> None:
    """A pipe cannot be rewound after the look at its beginning, so it is copied to disk first."""
    given, taken = os.pipe()
    with os.fdopen(taken, "wb") as pipe:
        pipe.write(CSV.encode())
    with os.fdopen(given, "rb") as stdin:
        with open_input("-", stdin=stdin) as opened:
            found = check(opened, accounts=None)
            assert len(list(rows(opened))) == found.rows == 1
        assert not stdin.closed
    assert found.source.name == "standard input"


def test_a_redirected_file_needs_no_copy() -> None:
    """`calpatch submit - < edits.csv` can be rewound."""
    stdin = io.BytesIO(JSONL.encode())
    with open_input("-", stdin=stdin) as opened:
        assert opened.stream is stdin
        assert opened.format == "jsonl"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.csv", "No such file or directory"),
        ("", "Is a directory"),
        ("a\0b", "not a path"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    """A wrong path is the commonest mistake of all."""
    assert refusal(f"{tmp_path}/{name}") == f"the file cannot be read: {reason}"


def test_a_pipe_with_a_name_is_copied_too(tmp_path: Path) -> None:
    """Shells hand over `<(command)` as a path that can be read once."""
    path = tmp_path / "edits.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(CSV,))
    writer.start()
    with open_input(str(path)) as opened:
        check(opened, accounts=None)
        assert len(list(rows(opened))) == 1
    writer.join()


def test_a_file_is_opened_where_there_is_no_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service has none."""
    monkeypatch.setattr("sys.stdin", None)
    path = tmp_path / "edits.csv"
    path.write_text(CSV)
    with open_input(str(path)) as opened:
        assert check(opened, accounts=None).rows == 1


def test_files_that_an_input_names_are_beside_it(tmp_path: Path) -> None:
    """A campaign may name a file of accounts; from a pipe, it is looked for where we are."""
    path = tmp_path / "campaign.yaml"
    path.write_text("")
    with open_input(str(path)) as opened:
        assert opened.folder == tmp_path
    with open_input("-", stdin=io.BytesIO(b"version: 1")) as opened:
        assert (opened.folder, opened.format) == (Path(), "yaml")


def test_a_campaign_is_no_list_of_edits(tmp_path: Path) -> None:
    """Whoever submits one as edits learns what it is."""
    path = tmp_path / "campaign.yaml"
    path.write_text("version: 1")
    with open_input(str(path)) as opened, pytest.raises(InvalidInput) as caught:
        check(opened, accounts=None)
    [problem] = caught.value.problems
    assert problem.message == (
        "a campaign in YAML selects its events instead of listing edits; plan it first"
    )
