"""Opening an input: a file, or standard input, which is kept in a temporary file.

Its beginning is looked at before it is read, so it must be possible to go back.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Literal, NamedTuple, TypeAlias, cast

from worker.intake.problems import refused
from worker.store import Spool

#: edits line by line, or (yaml) a campaign that selects its events
Format: TypeAlias = Literal["csv", "jsonl", "yaml"]

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".yaml": "yaml",
    ".yml": "yaml",
}

#: how a campaign begins, below comments and blank lines
_CAMPAIGN = re.compile(
    rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*"
    rb"(?:---|(?:version|campaign|select|transform|guards|run|notify)[ \t]*:)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of an input from its head; `columns` of JSONL is the one column "line"."""

    name: str
    format: Format
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An open input, and where its edits go that have been checked."""

    name: str
    format: Format
    stream: BinaryIO
    spool: Spool = field(default_factory=Spool, repr=False, compare=False)
    #: where files that a campaign names are looked for; None: nowhere
    folder: Path | None = None

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self.stream.seek(0, SEEK_END)


class Known(NamedTuple):
    """The accounts that there are, and the labels that they have."""

    accounts: Collection[str]
    labels: Collection[str]


@contextmanager
def open_input(
    path: str,
    *,
    format: str | None = None,  # noqa: A002  (what users call it)
    stdin: BinaryIO | None = None,
) -> Iterator[Input]:
    """Opens a file, or standard input when the path is "-".

    The format is the one given, or that of the suffix; without either, a first character "{" means
    JSONL and a key of a campaign YAML, with neither of which a CSV header begins. Raises
    InvalidInput when there is nothing to read.
    """
    if format is not None and format not in _SUFFIXES.values():
        raise refused(f"unknown format {format}; give csv, jsonl or yaml")
    name = "standard input" if path == "-" else path
    with (
        _opened(path, stdin) as source,
        _rewindable(source) as stream,
        closing(Spool()) as spool,
    ):
        known = cast("Format | None", format) or _SUFFIXES.get(Path(path).suffix.lower())
        folder = Path() if path == "-" else Path(path).parent
        yield Input(
            name=name,
            format=known or _sniffed(stream),
            stream=stream,
            spool=spool,
            folder=folder,
        )


@contextmanager
def _opened(path: str, stdin: BinaryIO | None) -> Iterator[BinaryIO]:
    if path == "-":
        yield stdin or sys.stdin.buffer  # which stays open: it is the caller's
        return
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(Path(path).open("rb"))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = getattr(error, "strerror", None) or "not a path"
            raise refused(f"the file cannot be read: {reason}", value=path) from error
        yield opened


@contextmanager
def _rewindable(source: BinaryIO) -> Iterator[BinaryIO]:
    """Gives the source itself, or a copy on disk of one that comes through a pipe."""
    if source.seekable():
        yield source
        return
    with TemporaryFile(prefix="calpatch-") as copy:
        shutil.copyfileobj(source, copy)
        yield cast("BinaryIO", copy)


def _sniffed(stream: BinaryIO) -> Format:
    stream.seek(0)
    head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{"):
        return "jsonl"
    return "yaml" if _CAMPAIGN.match(head) else "csv"
