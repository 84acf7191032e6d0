"""Whose calendars a campaign is about: `select.accounts`, and the file that it may name."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from worker.errors import InvalidInput
from worker.intake.campaign import checks
from worker.intake.campaign.part import Part
from worker.intake.lines import Lines
from worker.intake.problems import CellError, Problems
from worker.intake.source import Known

#: lines of an accounts file; they are kept in memory
MOST_ACCOUNTS: Final = 100_000
#: problems of an accounts file that are told; they often are one
MOST_TOLD: Final = 10

_COLUMN: Final = "account"


class Whose(NamedTuple):
    """What accounts are selected; nothing at all stands for all of them."""

    subs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    file: str | None = None


def read_accounts(part: Part, *, folder: Path | None, known: Known | None) -> Whose:
    """Reads the accounts; those of a file whose path begins at `folder`, if there is one."""
    account = partial(checks.account, known=known.accounts if known else None)
    label = partial(_label, known=known.labels if known else None)
    file, labels = part["file"], part["labels"].each(label)
    if file:
        name = str(file.value)
        return Whose(subs=_listed(file, folder=folder, account=account), file=name)
    return Whose(subs=part.each(account), labels=labels)


def _label(text: str, known: Collection[str] | None) -> str:
    if known is not None and text not in known:
        step = "correct it; `calpatch accounts list` shows those there are"
        raise CellError("no account has this label", step=step, wanted=text, among=known)
    return text


def _listed(part: Part, *, folder: Path | None, account: Callable[[str], str]) -> tuple[str, ...]:
    """Returns the accounts of the file that a part names; its problems are told at that part."""
    if folder is None:
        part.refuse(CellError("no file can be named here", step="list the accounts themselves"))
        return ()
    inner = Problems(MOST_TOLD)
    subs = {*_subs(folder / str(part.value), account=account, found=inner)}
    if not (subs or inner.count):
        inner.note(CellError("no accounts in it", step="list them below the header"), line=0)
    for problem in inner.kept:
        where = f"in line {problem.line} of it" if problem.line else "the file"
        said = f" {problem.value!r}" if problem.value else ""
        part.note(f"{where}{said}: {problem.message}")
    if inner.count > len(inner.kept):
        part.note(f"the file: {inner.count - len(inner.kept):,} more problems like these")
    return tuple(sorted(subs))


def _subs(path: Path, *, account: Callable[[str], str], found: Problems) -> Iterator[str]:
    """Gives the accounts of a file; why one cannot be read is taken down in `found`."""
    if path.exists() and not path.is_file():
        found.note(CellError("it is no file", step="name a CSV"), line=0)
        return
    try:
        with path.open("rb") as stream:
            lines = Lines(stream, found=found)
            yield from _of_lines(lines, account=account, found=found)
    except OSError as error:
        step = "its path begins at the folder of this campaign file"
        found.note(CellError(f"it cannot be read ({error.strerror})", step=step), line=0)
    except InvalidInput as wrong:
        found.note(wrong.problems[0].message, line=0)


def _of_lines(lines: Lines, *, account: Callable[[str], str], found: Problems) -> Iterator[str]:
    records = csv.reader(lines, strict=True)
    place = None
    try:
        for cells in records:
            if not any(cells) or cells[0].startswith("#"):
                continue
            if place is None:
                place = _place(cells, line=lines.number, found=found)
                if place is None:
                    return
            elif lines.spoiled < lines.number:
                yield from _one(
                    cells[place : place + 1], lines.number, account=account, found=found
                )
            if lines.number > MOST_ACCOUNTS:
                error = CellError(f"more than {MOST_ACCOUNTS:,} lines", step="select by label")
                found.note(error, line=lines.number)
                return
    except csv.Error:
        error = CellError("a quote is not closed, or closed too early", step="correct it")
        found.note(error, line=lines.number)


def _place(header: list[str], *, line: int, found: Problems) -> int | None:
    """Returns where in each line the account stands."""
    names = [cell.strip() for cell in header]
    if _COLUMN in names:
        return names.index(_COLUMN)
    error = CellError(f"no column {_COLUMN}", step=f"write {_COLUMN} above the accounts")
    found.note(error, line=line)
    return None


def _one(
    cells: list[str], line: int, *, account: Callable[[str], str], found: Problems
) -> Iterator[str]:
    text = cells[0].strip() if cells else ""
    if not text:
        found.note(CellError("no account", step="give one, or remove the line"), line=line)
        return
    try:
        yield account(text)
    except CellError as error:
        found.note(error, line=line, value=text)
