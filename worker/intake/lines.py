"""The physical lines of an input as text: UTF-8, numbered from 1, of bounded length.

Line ends may be LF, CRLF or CR, also mixed; they come out as LF. What is not text is taken down as
a problem, and the line is given all the same, so that one bad byte does not hide the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from io import BufferedIOBase, TextIOWrapper
from typing import BinaryIO, Final, cast

from worker.intake.problems import CellError, Problems, refused

#: characters of a line, and of a CSV record; the longest meaningful one has about 10,000
LONGEST: Final = 65_536

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
    """Reads a stream of bytes once, from its start, and leaves it open."""

    def __init__(self, stream: BinaryIO, *, found: Problems) -> None:
        self._found = found
        #: the line given last; `spoiled` is the last one with a problem
        self.number = 0
        self.spoiled = 0
        _start(stream)
        self._bytes = _Summed(stream)
        # surrogateescape keeps a bad byte in its place, where _legible finds it.
        self._text = TextIOWrapper(
            cast("BinaryIO", self._bytes), "utf-8", errors="surrogateescape", newline=None
        )

    def digest(self) -> bytes:
        """Names the bytes read so far; after the last line, those of the whole file."""
        return self._bytes.sum.digest()

    def __iter__(self) -> Iterator[str]:
        readline = self._text.readline
        while line := readline(LONGEST):
            self.number += 1
            if len(line) == LONGEST and line[-1] != "\n":
                self._pass_over()
            elif line.isascii() and "\0" not in line:
                yield line
            else:
                yield self._legible(line)

    def _pass_over(self) -> None:
        """Reads to the end of a line that is too long, without keeping it."""
        self._spoil(CellError(f"longer than {LONGEST:,} characters", step="shorten it"))
        while (rest := self._text.readline(LONGEST)) and rest[-1] != "\n":
            pass

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


class _Summed(BufferedIOBase):
    """Reads from a stream and sums up what was read; to close it leaves the stream open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sum = sha256()

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        read = self._stream.read(size)
        self.sum.update(read)
        return read


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
