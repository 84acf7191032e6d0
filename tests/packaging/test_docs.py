"""What the documents say exists: commands with their flags, settings, codes, files, targets."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.packaging import readme
from tests.packaging.readme import ROOT
from worker.cli.exits import ExitCode
from worker.cli.main import app
from worker.intake import COLUMNS, check, open_input
from worker.intake.campaign import read_campaign
from worker.intake.campaign.shape import schema
from worker.model import CODE_HELP, Code
from worker.report import RESULT_COLUMNS
from worker.settings import Settings

DOCUMENTS = ("README.md", "deploy/RUNBOOK.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(calpatch [^`]+)`")
SHELLS = frozenset({"console", "sh"})
ROOT_COMMAND = get_command(app)


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def shell_lines(document: str) -> Iterator[str]:
    for language, body in FENCE.findall(text_of(document)):
        if language in SHELLS:
            for line in body.replace("\\\n", " ").splitlines():
                yield line.removeprefix("$ ")


def runs(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell line: what stands between pipes, brackets and the like."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_mark, tokens in groupby(lexer, key=lambda token: set(token) <= set("();<>|&")):
        if not is_mark:
            yield list(tokens)


def ours(run: list[str]) -> list[str] | None:
    """The arguments of calpatch in a simple command, also within a container; None in others."""
    while run and re.match(r"[A-Za-z_]+=", run[0]):
        run = run[1:]
    if run[:1] == ["calpatch"]:
        return run[1:]
    inner = {"dc": "cli", "docker": "calpatch"}.get(run[0]) if len(run) > 1 else None
    if inner is None or run[1] != "run":
        return None
    return run[run.index(inner) + 1 :]


def commands_of(document: str) -> list[list[str]]:
    found = (ours(run) for line in shell_lines(document) for run in runs(line))
    return [arguments for arguments in found if arguments is not None]


def mentions_of(document: str) -> list[list[str]]:
    without_fences = FENCE.sub("", text_of(document))
    return [shlex.split(found)[1:] for found in INLINE.findall(without_fences)]


def leaf_of(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command that these arguments name, and what is left for it."""
    command: Any = ROOT_COMMAND
    while arguments and hasattr(command, "commands") and not arguments[0].startswith("-"):
        assert arguments[0] in command.commands, f"no such command: {' '.join(arguments)}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments


def flags_of(command: Any) -> set[str]:
    return {flag for each in command.params for flag in each.opts} | {"--help", "-h"}


def all_cases(kind: Any) -> list[Any]:
    found = {
        f"{document}: {shlex.join(arguments)}": arguments
        for document in DOCUMENTS
        for arguments in kind(document)
    }
    return [pytest.param(arguments, id=name) for name, arguments in found.items()]


@pytest.mark.parametrize("arguments", all_cases(commands_of))
def test_every_command_line_is_one_that_the_cli_takes(arguments: list[str]) -> None:
    """A reader copies it: it is parsed as it stands, required options included."""
    command, rest = leaf_of(arguments)
    assert not hasattr(command, "commands"), f"not a whole command: {' '.join(arguments)}"
    with command.make_context(command.name, rest) as context:
        assert context.command is command


@pytest.mark.parametrize("arguments", all_cases(mentions_of))
def test_every_command_in_a_sentence_exists_with_its_flags(arguments: list[str]) -> None:
    """A sentence names what it is about and leaves the rest out."""
    command, rest = leaf_of(arguments)
    named = {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"}
    assert named <= flags_of(command)


def test_the_documents_have_commands_at_all() -> None:
    """The tests above would pass on documents that they cannot read."""
    assert len(commands_of("README.md")) >= 10
    assert len(commands_of("deploy/RUNBOOK.md")) >= 15
    assert len(mentions_of("README.md")) >= 5


def test_every_command_is_documented() -> None:
    """A command that no document names does not exist for its users."""
    named = [leaf_of(each)[0].name for name in DOCUMENTS for each in commands_of(name)]
    said = [leaf_of(each)[0].name for name in DOCUMENTS for each in mentions_of(name)]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    missing = {leaf.name for leaf in _leaves(ROOT_COMMAND)} - {*named, *said}
    assert {name for name in missing if f"calpatch {name}" not in makefile} == set()


def _leaves(command: Any) -> Iterator[Any]:
    if not hasattr(command, "commands"):
        yield command
        return
    for each in command.commands.values():
        yield from _leaves(each)


@pytest.mark.parametrize("document", [*DOCUMENTS, "deploy/compose.yaml", "CHANGELOG.md"])
def test_every_setting_that_is_named_exists(document: str) -> None:
    """An unknown variable is read by nobody, and nobody says so."""
    known = {f"CALPATCH_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"CALPATCH_[A-Z_]*[A-Z]", text_of(document))) <= known


def test_the_generated_tables_are_up_to_date() -> None:
    """Settings, defaults and codes are the code's own; `make readme` writes them."""
    assert text_of("README.md") == readme.filled(text_of("README.md"))
    assert text_of(".env.example") == readme.with_defaults(text_of(".env.example"))


def test_the_table_of_settings_is_complete_and_tells_defaults() -> None:
    """The generator itself leaves nothing out, and shows no secret's default."""
    rows = readme.table_of_settings()[2:]
    assert len(rows) == len(Settings.model_fields)
    assert "| `CALPATCH_VERIFY_WITHIN` | `15m` |" in "\n".join(rows)
    assert "| `CALPATCH_SHARE` | `70%` |" in "\n".join(rows)
    assert "| `CALPATCH_VAULT_KEYS` |  |" in "\n".join(rows)


def test_the_table_of_codes_is_complete() -> None:
    """Every code that results may hold is explained."""
    rows = readme.table_of_codes()[2:]
    assert [row.split("`")[1] for row in rows] == [str(code) for code in Code]
    assert set(CODE_HELP) == set(Code)


def test_every_exit_code_is_explained() -> None:
    """Scripts decide by them."""
    section = text_of("README.md").partition("## Exit codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", section, re.MULTILINE) == [str(int(c)) for c in ExitCode]


def test_the_columns_are_those_of_the_code() -> None:
    """Both ends of a file: what may come in, and what goes out."""
    text = text_of("README.md")
    inputs = text.partition("## Input files")[2].partition("\n## ")[0]
    results = text.partition("## Results")[2].partition("\n## ")[0]
    assert {name for name in COLUMNS if f"`{name}`" not in inputs} == set()
    assert {name for name in RESULT_COLUMNS if f"`{name}`" not in results} == set()


def test_a_results_file_is_an_input_again(tmp_path: Any) -> None:
    """README promises that failed.csv can be corrected and submitted as it is."""
    row = dict.fromkeys((*COLUMNS, *RESULT_COLUMNS), "")
    row |= {"account": "acc_1", "calendar_id": "cal_1", "event_uid": "evt_1", "shift": "PT1H"}
    row |= {"line_no": "2", "status": "failed", "code": "upstream"}
    path = tmp_path / "failed.csv"
    path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")
    with open_input(str(path)) as given:
        checked = check(given, accounts=None)
    assert checked.rows == 1
    # Or the next results would name each of their columns twice.
    assert not set(checked.source.columns) & set(RESULT_COLUMNS)


@pytest.mark.parametrize(("language", "format_"), [("csv", "csv"), ("json", "jsonl")])
def test_the_sample_inputs_have_no_problem(language: str, format_: str, tmp_path: Any) -> None:
    """The first thing that a reader tries is the sample."""
    [body] = [body for kind, body in FENCE.findall(text_of("README.md")) if kind == language]
    path = tmp_path / "sample"
    path.write_text(body, encoding="utf-8")
    with open_input(str(path), format=format_) as given:
        assert check(given, accounts=None).rows == 2


def test_the_sample_campaign_has_no_problem(tmp_path: Path) -> None:
    """It is copied and changed, as the other samples are."""
    [body] = [body for kind, body in FENCE.findall(text_of("README.md")) if kind == "yaml"]
    path = tmp_path / "campaign.yaml"
    path.write_text(body, encoding="utf-8")
    with open_input(str(path)) as given:
        assert read_campaign(given).name == "office-move-paris"


def test_every_key_of_campaigns_is_named() -> None:
    """README tells at least that there are such things; the example and the schema tell more."""
    section = text_of("README.md").partition("## Campaign files")[2].partition("\n## ")[0]
    top = schema()["properties"]
    inner = [top[name].get("properties", {}) for name in top]
    keys = {*top, *(key for each in inner for key in each)}
    keys |= {*top["transform"]["items"]["properties"]}
    keys |= {*top["select"]["properties"]["match"]["properties"]}
    assert {key for key in keys if f"`{key}`" not in section} <= {"version"}


def test_the_nightly_sample_is_for_machines() -> None:
    """A job has no terminal to be asked on, and reads one object."""
    nightly, *_ = [each for each in commands_of("README.md") if {"submit", "--json"} <= {*each}]
    assert {"--yes", "--wait", "--key"} <= set(nightly)


def test_every_row_that_celerys_settings_refer_to_is_there() -> None:
    """A comment that points to a row nobody can find explains nothing."""
    pointing = "".join(text_of(name) for name in ("tasks/celery.py", "worker/dispatch.py"))
    pointed = {
        row
        for rows in re.findall(r"\brows? ((?:B?\d+(?:, | and )?)+)", pointing)
        for row in re.findall(r"B?\d+", rows)
    }
    section = text_of("README.md").partition("## Celery settings")[2].partition("\n## ")[0]
    assert pointed
    assert pointed <= set(re.findall(r"^\| (B?\d+) \|", section, re.MULTILINE))


def test_the_layers_are_those_that_are_held() -> None:
    """README's picture of the house is the one that import-linter enforces."""
    project = tomllib.loads(text_of("pyproject.toml"))
    [held] = [
        [re.findall(r"\w+", layer) for layer in contract["layers"]]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    section = text_of("README.md").partition("| layer |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    assert [re.findall(r"`(\w+)`", cell) for cell in cells] == [["tasks"], *held]


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_every_link_leads_somewhere(document: str) -> None:
    """Links to files and headings are resolved; others are left to the reader."""
    folder = (ROOT / document).parent
    headings = {
        re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text_of(document), re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text_of(document)):
        if target.startswith("#"):
            assert target[1:] in headings
        elif "://" not in target:
            assert (folder / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists(document: str) -> None:
    """`make` would say so, but only to the reader."""
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    wanted = [run[1] for line in shell_lines(document) for run in runs(line) if run[0] == "make"]
    wanted += re.findall(r"`make ([a-z]+)`", text_of(document))
    assert set(wanted) <= targets
