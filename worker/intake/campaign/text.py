"""The text of a campaign file: UTF-8, of bounded size, and nothing in it that people cannot see.

A campaign is reviewed like code; what a reviewer's screen hides or turns round would be approved
unread.
"""

from __future__ import annotations

import re
from io import SEEK_END
from typing import BinaryIO, Final

from worker.intake.lines import Lines
from worker.intake.problems import CellError, Problems, refused

#: bytes; two seconds to parse at most, and far above any campaign: accounts have their own file
LARGEST: Final = 1 << 18

#: controls but for line feed and tab, line ends that editors do not count, marks that turn text
#: round, and what is no character
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
#: what an indentation looks like that is not made of spaces
_ODD_BLANK = re.compile(r"[ \t]*([^\S \t\n])")


def read_text(stream: BinaryIO, *, found: Problems) -> str:
    """Returns the text with LF at line ends. Raises InvalidInput for what is no text."""
    size = stream.seek(0, SEEK_END)
    if size > LARGEST:
        raise refused(
            f"{size:,} bytes; a campaign file has at most {LARGEST:,}: "
            "list accounts in a CSV, and name it at select.accounts.file"
        )
    lines = Lines(stream, found=found)
    kept = []
    for line in lines:
        if not (line.isascii() and line.removesuffix("\n").isprintable()):
            _note_unseen(line, number=lines.number, found=found)
        kept.append(line)
    found.refuse()
    return "".join(kept)


def _note_unseen(line: str, *, number: int, found: Problems) -> None:
    for char in _UNSEEN.finditer(line):
        error = CellError(f"a character that nobody sees, {_code(char[0])}", step="remove it")
        found.note(error, line=number, position=char.start() + 1)
    if blank := _ODD_BLANK.match(line):
        error = CellError(f"a blank of another kind, {_code(blank[1])}", step="indent with spaces")
        found.note(error, line=number, position=blank.start(1) + 1)


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"
