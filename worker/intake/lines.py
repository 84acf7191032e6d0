"""The physical lines of an input as text: UTF-8, numbered from 1, of bounded length.

Line ends may be LF, CRLF or CR, also mixed; they come out as LF. What is not text is taken down as
a problem, and the line is given all the same, so that one bad byte does not hide the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BufferedIOBase, TextIOWrapper
from typing import BinaryIO, Final, Self, cast

from worker.intake.problems import CellError, Problems, refused

#: characters of a line, and of a CSV record; the longest meaningful one has about 10,000
LONGEST: Final = 65_536

#: characters read at a time: a thousand usual lines, or the longest one
BLOCK: Final = 65_536
#: bytes read at a time
_PIECE: Final = 65_536

_BOM = b"\xef\xbb\xbf"

#: how other formats begin, longest first, since UTF-32 begins as UTF-16 does
_FOREIGN = (
    (b"\xff\xfe\x00\x00", "is in UTF-32; save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "is in UTF-32; save it as UTF-8"),
    (b"\xff\xfe", "is in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "is in UTF-16; save it as UTF-8"),
    (b"PK\x03\x04", "is a workbook or a ZIP archive; export it as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; export it as CSV in UTF-8"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
    (b"%PDF", "is a PDF; export the table as CSV in UTF-8"),
)

#: every other byte NUL: UTF-16 without a mark
_WIDE = re.compile(rb"(?:\0[^\0]){2}|(?:[^\0]\0){2}")


class Lines:
    """Reads a stream of bytes once, from its start, and leaves it open.

    An iterator over lines that looks closely at each; `batch` gives many at once where none of them
    needs that.
    """

    def __init__(
        self, stream: BinaryIO, *, found: Problems, progress: Callable[[int], None] | None = None
    ) -> None:
        self._found = found
        #: the line given last; `spoiled` is the last one with a problem
        self.number = 0
        self.spoiled = 0
        _start(stream)
        # surrogateescape keeps a bad byte in its place, where _legible finds it.
        self._text = TextIOWrapper(
            cast("BinaryIO", _Lent(stream, progress)),
            "utf-8",
            errors="surrogateescape",
            newline=None,
        )
        #: whole lines, and where the next one of them starts
        self._block = ""
        self._at = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while not self.is_drained or self._load():
            end = self._block.find("\n", self._at) + 1 or len(self._block)
            line, self._at = self._block[self._at : end], end
            self.number += 1
            if len(line) > LONGEST or (len(line) == LONGEST and line[-1] != "\n"):
                self._pass_over(line)
            elif line.isascii() and "\0" not in line:
                return line
            else:
                return self._legible(line)
        raise StopIteration

    @property
    def is_drained(self) -> bool:
        """Tells that all lines read so far have been given; a batch may follow then."""
        return self._at >= len(self._block)

    def batch(self) -> list[str] | None:
        """Gives the next lines without their ends, and leaves them to be taken or iterated.

        None when one of them needs a closer look, or there are no more.
        """
        if self.is_drained and not self._load():
            return None
        text = self._block[self._at :]
        if "\0" in text or not (text.isascii() or _is_whole(text)):
            return None
        lines = text.removesuffix("\n").split("\n")
        return None if len(max(lines, key=len)) >= LONGEST else lines

    def take(self, batch: list[str]) -> int:
        """Counts the lines of a batch as given; returns the number of its first one."""
        first = self.number + 1
        self.number += len(batch)
        self._at = len(self._block)
        return first

    def _load(self) -> bool:
        """Reads on; what a line lacks of its end then is longer than a line may be."""
        text = self._text.read(BLOCK)
        if text and text[-1] != "\n":
            text += self._text.readline(LONGEST)
        self._block, self._at = text, 0
        return bool(text)

    def _pass_over(self, line: str) -> None:
        """Reads to the end of a line that is too long, without keeping it."""
        self._spoil(CellError(f"longer than {LONGEST:,} characters", step="shorten it"))
        while line and line[-1] != "\n":
            line = self._text.readline(LONGEST)

    def _legible(self, line: str) -> str:
        """Takes down bytes that are not UTF-8, and NULs; gives the line with others instead."""
        clean = line
        if (at := line.find("\0")) >= 0:
            self._spoil(
                CellError(f"NUL at {_byte_of(line, at)}", step="save the file as UTF-8 text")
            )
            clean = line.replace("\0", "\ufffd")
        try:
            line.encode()
        except UnicodeEncodeError as error:
            bad = ord(line[error.start]) - 0xDC00
            self._spoil(
                CellError(
                    f"not UTF-8: byte 0x{bad:02X} at {_byte_of(line, error.start)}",
                    step="save the file as UTF-8",
                )
            )
            clean = clean.encode(errors="replace").decode()
        return clean

    def _spoil(self, error: CellError) -> None:
        self.spoiled = self.number
        self._found.note(error, line=self.number)


class _Lent(BufferedIOBase):
    """Reads from a stream and tells how far; to close it leaves the stream open."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None] | None) -> None:
        self._stream = stream
        self._progress = progress
        self._read = 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        read = self._stream.read(max(size, _PIECE))
        if self._progress is not None:
            self._read += len(read)
            self._progress(self._read)
        return read


def _is_whole(text: str) -> bool:
    """Tells that no byte of a text was other than UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _byte_of(line: str, at: int) -> str:
    return f"byte {len(line[:at].encode(errors='surrogateescape')) + 1} of the line"


def _start(stream: BinaryIO) -> None:
    """Goes to the first character; what is plainly not UTF-8 text is refused by name."""
    stream.seek(0)
    head = stream.read(4)
    for mark, what in _FOREIGN:
        if head.startswith(mark):
            raise refused(f"the file {what}")
    if _WIDE.match(head):
        raise refused("the file is in UTF-16 without its mark; save it as UTF-8")
    stream.seek(len(_BOM) if head.startswith(_BOM) else 0)
