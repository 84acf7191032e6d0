"""A file of results: written beside its place, then put there whole, for its owner's eyes only."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from worker.errors import SettingsError


@contextmanager
def writing(what: str, to: Path, *, next_step: str) -> Iterator[None]:
    """Raise SettingsError for what cannot be written while this is open, full disks included."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"{what} cannot be written to {to} ({reason})", next_step=next_step
        ) from error


class Written(Struct, frozen=True, kw_only=True):
    """A file as it lies there: `rows` without the header, its size in bytes, its checksum."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Sheet:
    """A temporary file of mode 0600 that takes its name by `place`; unplaced, it vanishes."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._target = folder / name
        # In the same folder: a rename across file systems would not be atomic.
        number, path = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        self._path = Path(path)
        self._file = os.fdopen(number, "wb", buffering=1 << 16)
        self._sum = hashlib.sha256()
        self._size = 0
        self._rows = 0
        self._csv = csv.writer(self, lineterminator="\n")

    def write(self, text: str) -> None:
        """Take text as it is."""
        data = text.encode()
        self._sum.update(data)
        self._size += len(data)
        self._file.write(data)

    def head(self, cells: Iterable[str]) -> None:
        """Take the header, which is no row."""
        self._csv.writerow(cells)

    def row(self, cells: Iterable[object]) -> None:
        """Take one row of CSV."""
        self._csv.writerow(cells)
        self._rows += 1

    def line(self, text: str) -> None:
        """Take one row that is a line of its own."""
        self.write(f"{text}\n")
        self._rows += 1

    def place(self) -> Written:
        """Put the file into its place, whatever lay there before."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._target)
        return Written(
            name=self._name, rows=self._rows, bytes=self._size, sha256=self._sum.hexdigest()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()  # writes what it still holds, which a full disk refuses again
        finally:
            self._path.unlink(missing_ok=True)
