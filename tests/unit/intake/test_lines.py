"""Lines of text out of bytes: numbered as an editor numbers them, and bounded."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest

from worker.errors import InvalidInput
from worker.intake.lines import LONGEST, Lines
from worker.intake.problems import Problems


def lines_of(content: bytes) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines with their numbers, and the problems in words."""
    found = Problems(limit=100)
    lines = Lines(io.BytesIO(content), found=found)
    return [(lines.number, line) for line in lines], [str(problem) for problem in found.kept]


def test_lines_are_numbered_from_one_whatever_ends_them() -> None:
    """CRLF is one line end, also where two blocks of bytes meet in it."""
    content = b"a\r\nb\rc\n\nd"
    assert lines_of(content) == ([(1, "a\n"), (2, "b\n"), (3, "c\n"), (4, "\n"), (5, "d")], [])


@pytest.mark.parametrize("before", [8_190, 8_191, 8_192])
def test_a_line_end_between_two_blocks_is_one(before: int) -> None:
    """Bytes come in blocks of 8,192."""
    lines, _ = lines_of(b"x" * before + b"\r\ny")
    assert [number for number, _ in lines] == [1, 2]


@pytest.mark.parametrize("before", [8_189, 8_190, 8_191, 8_192])
def test_a_character_between_two_blocks_is_whole(before: int) -> None:
    """The letters of most scripts have two bytes or more."""
    lines, problems = lines_of(b"x" * before + "€".encode())
    assert (lines[0][1][-1], problems) == ("€", [])


def test_other_separators_end_no_line() -> None:
    """Editors do not count them either."""
    assert len(lines_of("a\x0bb\x0cc\x85d\u2028e".encode())[0]) == 1


def test_the_longest_line_passes_and_a_longer_one_is_left_out() -> None:
    """What comes after it keeps its number."""
    just, over = b"x" * (LONGEST - 1) + b"\n", b"y" * LONGEST + b"\n"
    lines, problems = lines_of(just + over + b"z\n")
    assert [(number, line[0]) for number, line in lines] == [(1, "x"), (3, "z")]
    assert problems == ["line 2: longer than 65,536 characters; shorten it"]


def test_bad_bytes_are_told_by_line_and_byte_and_given_as_marks() -> None:
    """Positions count bytes from 1, since that is what other programs show for a bad file."""
    lines, problems = lines_of("aé".encode() + b"\xff\xfe\n\xe9\n")
    assert lines == [(1, "aé??\n"), (2, "?\n")]
    assert problems == [
        "line 1: not UTF-8: byte 0xFF at byte 4 of the line; save the file as UTF-8",
        "line 2: not UTF-8: byte 0xE9 at byte 1 of the line; save the file as UTF-8",
    ]


def test_surrogates_in_utf_8_are_bad_bytes() -> None:
    """Some databases write them; they are half characters."""
    assert len(lines_of("\ud83d\n".encode(errors="surrogatepass"))[1]) == 1


def test_the_digest_is_that_of_the_bytes_without_the_mark() -> None:
    """Any other byte makes it another file for the second pass."""
    lines = Lines(io.BytesIO(b"\xef\xbb\xbfa\r\nb"), found=Problems(limit=1))
    assert list(lines) == ["a\n", "b"]
    assert lines.digest() == sha256(b"a\r\nb").digest()


def test_a_stream_is_read_from_its_start() -> None:
    """The second pass begins where the first one began."""
    stream = io.BytesIO(b"a\nb\n")
    stream.seek(2)
    assert list(Lines(stream, found=Problems(limit=1))) == ["a\n", "b\n"]


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"\0a", b"a\0b"])
def test_short_files_are_not_taken_for_other_formats(content: bytes) -> None:
    """Four bytes at least tell UTF-16 apart."""
    lines_of(content)


def test_utf_16_is_known_by_its_first_letters() -> None:
    """Whichever byte comes first."""
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(InvalidInput):
            lines_of("ab".encode(encoding))
