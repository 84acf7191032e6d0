"""`calpatch show` on a real database: text, JSON and page tell the same, and none obeys a title."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from tests.builders import an_image, timed
from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_store, uid
from worker.intake import open_input
from worker.intake.campaign import example, read_campaign
from worker.model import Code, EditState, Image
from worker.store import Store

PARIS = "Europe/Paris"


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings, no Redis and no database yet."""
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, migrated."""
    return a_store(shell.folder / "calpatch.db")


def meeting(start: str, **fields: str) -> Image:
    """Return an hour's meeting in Paris."""
    return an_image(timed(start, tzid=PARIS), **fields)


def moved(**fields: str) -> End:
    """Return an edit that has moved a meeting across a change of the clocks, and more of it."""
    before = meeting("2026-03-28T08:00", organizer="ann@acme.com")
    return End(
        state=EditState.VERIFIED, code=Code.VERIFIED, before=before,
        target=meeting("2026-03-29T07:00", location="", **fields),
    )  # fmt: skip


def test_the_diff_shows_each_change_with_its_zones(shell: Shell, store: Store) -> None:
    """Before, after, by how much; a cleared text as nothing; what is out of the ordinary."""
    a_campaign(store, [moved(), End(state=EditState.SKIPPED, code=Code.RECURRING)])
    ended = shell("show", "--diff")
    assert ended.code == 0
    lines = ended.out.splitlines()
    at = lines.index(f'+ line 2  {uid(2)}  "Planning"')
    assert lines[at + 1] == (
        "    time: Sat 2026-03-28 09:00–10:00 UTC+1 → Sun 2026-03-29 09:00–10:00 UTC+2"
        " Europe/Paris (+1 day, +23 h in real time)"
    )
    assert lines[at + 2] == '    location: "Room 4" → nothing'
    assert "  warn: The clocks change" in ended.out
    assert "recurring" in ended.out
    assert uid(3) not in ended.out
    assert ended.last_words == "All of it in files: calpatch results c_1"


@pytest.mark.parametrize(
    ("only", "lines"),
    [
        ("changed", {2, 7, 8}), ("skipped", {4}), ("attention", {5, 6, 7, 8}), ("conflict", {5}),
        ("failed", {6}), ("unchanged", {3}), ("not_attempted", {9}), ("all", {*range(2, 10)}),
    ],
)  # fmt: skip
def test_only_shows_what_is_asked_for(
    shell: Shell, store: Store, only: str, lines: set[int]
) -> None:
    """The same lines as text and as JSON."""
    a_campaign(store, ONE_OF_EACH)
    told = re.findall(r"^[~?+=!-] line (\d+)", shell("show", "--only", only).out, re.MULTILINE)
    objects = shell("show", "--only", only, "--json").json["lines"]
    assert {int(number) for number in told} == lines == {each["line_no"] for each in objects}


def test_json_carries_at_least_what_text_does(shell: Shell, store: Store) -> None:
    """Every figure, code, sentence and value of the text is in the object (features §2, 8)."""
    ends = [moved(summary='A "title"\n=x'), *ONE_OF_EACH]
    a_campaign(store, ends)
    shown = shell("show", "--only", "all").out
    found = shell("show", "--only", "all", "--json")
    held = found.json
    for code in held["by_code"]:
        assert (code in shown) or code == "verified"
        assert held["meanings"][code]
    for name, count in held["warnings"].items():
        assert f"  warn     {count:,}  {name}  {held['meanings'][name]}" in shown
    [line] = [each for each in held["lines"] if each["line_no"] == 2]
    assert line["changes"][0] == {
        "field": "time", "before": "Sat 2026-03-28 09:00–10:00 UTC+1 Europe/Paris",
        "after": "Sun 2026-03-29 09:00–10:00 UTC+2 Europe/Paris",
        "by": "+1 day, +23 h in real time", "now": None,
    }  # fmt: skip
    assert line["changes"][1]["after"] == 'A "title"\n=x'
    assert line["warnings"] == ["clocks_change", "past_event"]
    counted = sum(held["by_status"].values())
    assert counted == held["total"] == len(held["lines"]) == len(ends)


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        ("reason", {"verified: verified": 1, "skipped: recurring": 2}),
        ("organizer", {"ann@acme.com": 1, "nobody named": 2}),
        ("account", {"acc_1": 3}),
        ("day", {"2026-03-28": 1, "2026-06-02": 2}),
    ],
)
def test_groups_are_counted(shell: Shell, store: Store, group: str, rows: dict[str, int]) -> None:
    """In text and in JSON alike."""
    a_campaign(store, [moved(), *[End(state=EditState.SKIPPED, code=Code.RECURRING)] * 2])
    ended = shell("show", "--group-by", group)
    [_, *told] = [re.split(r"\s{2,}", line) for line in ended.out.splitlines()]
    assert {name: int(count) for name, count in told} == rows
    assert shell("show", "--group-by", group, "--json").json["groups"] == rows


def test_a_title_draws_no_line_and_clears_no_screen(shell: Shell, store: Store) -> None:
    """C19: what a stranger calls a meeting is shown, never obeyed."""
    a_campaign(store, [moved(summary="\x1b[2J\u202e\n! line 3  forged")])
    shown = shell("show", "--diff").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not re.search(r"^! line 3", shown, re.MULTILINE)
    found = shell("show", "--diff", "--json")
    assert all(line.isprintable() for line in found.out.splitlines())
    assert found.json["lines"][0]["changes"][1]["after"] == "\x1b[2J\u202e\n! line 3  forged"


def test_the_page_is_written_beside_the_text(shell: Shell, store: Store) -> None:
    """Private, whole, and said where it is, with a word of warning; data stays on stdout."""
    a_campaign(store, [moved(summary="<script>alert(1)</script>")])
    ended = shell("show", "--html", "plan.html", "--json")
    assert ended.json["campaign"] == "c_1"
    assert ended.err.startswith("plan.html has it as a page, with the events' own text")
    page = (shell.folder / "plan.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert stat.S_IMODE((shell.folder / "plan.html").stat().st_mode) == 0o600


def test_a_page_that_cannot_be_written_is_one_line(shell: Shell, store: Store) -> None:
    """With what to do."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("show", "--html", "nowhere/plan.html")
    assert (ended.code, ended.out) == (7, "")
    assert ended.last_words == (
        "calpatch: The page cannot be written to nowhere/plan.html (No such file or directory)."
        " Give another file with --html"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "green"), "expected changed, unchanged"),
        (("--group-by", "colour"), "expected reason, organizer, account or day"),
        (("--diff", "--group-by", "day"), "--diff and --group-by exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    shell: Shell, store: Store, options: tuple[str, ...], said: str
) -> None:
    """Before the database is read."""
    ended = shell("show", *options)
    assert ended.code == 2
    assert said in ended.last_words


def test_rows_of_a_campaign_file_are_said_to_ask_nothing(shell: Shell, store: Store) -> None:
    """Who submits them again is refused; here they learn what to do instead."""
    columns = ("account", "calendar_id", "event_uid", "ref")
    a_campaign(store, ONE_OF_EACH[:1], columns=columns, cells=[["acc_1", "cal_1", uid(2), ""]])
    ended = shell("results", "--out", "out")
    assert ended.last_words.endswith("To try them again: calpatch retry c_1")
    assert (shell.folder / "out" / "failed.csv").exists()


def test_a_campaign_file_is_told_in_words(shell: Shell, store: Store, tmp_path: Path) -> None:
    """The page says what is asked, for who reads no YAML; of an unknown file it says nothing."""
    (tmp_path / "campaign.yaml").write_text(example(), encoding="utf-8")
    with open_input(str(tmp_path / "campaign.yaml")) as given:
        spec = msgspec.json.encode(read_campaign(given)).decode()
    a_campaign(store, ONE_OF_EACH)
    for value, is_told in ((spec, True), ('{"of": "another version"}', False)):
        with store.database.begin() as connection:
            connection.execute(text("UPDATE campaigns SET spec = :spec"), {"spec": value})
        assert shell("show", "--html", "plan.html").code == 0
        page = (shell.folder / "plan.html").read_text(encoding="utf-8")
        assert ("What is asked" in page) is is_told
