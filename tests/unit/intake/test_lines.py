"""Lines of text out of bytes: numbered as an editor numbers them, and bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import takewhile

import pytest

from worker.errors import InvalidInput
from worker.intake.lines import LONGEST, Lines
from worker.intake.problems import Problems


def lines_of(content: bytes) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines with their numbers, and the problems in words."""
    found = Problems(limit=100)
    lines = Lines(io.BytesIO(content), found=found)
    return [(lines.number, line) for line in lines], [str(problem) for problem in found.kept]


@pytest.mark.row(29)
def test_lines_are_numbered_from_one_whatever_ends_them() -> None:
    """CRLF is one line end, also where two blocks of bytes meet in it."""
    content = b"a\r\nb\rc\n\nd"
    assert lines_of(content) == ([(1, "a\n"), (2, "b\n"), (3, "c\n"), (4, "\n"), (5, "d")], [])


@pytest.mark.parametrize("before", [8_190, 8_191, 8_192, 65_533, 65_534])
def test_a_line_end_between_two_blocks_is_one(before: int) -> None:
    """Bytes come in blocks, of 8,192 or 65,536."""
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


@pytest.mark.row(30)
def test_the_longest_line_passes_and_a_longer_one_is_left_out() -> None:
    """What comes after it keeps its number."""
    just, over = b"x" * (LONGEST - 1) + b"\n", b"y" * LONGEST + b"\n"
    lines, problems = lines_of(just + over + b"z\n")
    assert [(number, line[0]) for number, line in lines] == [(1, "x"), (3, "z")]
    assert problems == ["line 2: longer than 65,536 characters; shorten it"]


@pytest.mark.row(29)
def test_bad_bytes_are_told_by_line_and_byte_and_given_as_marks() -> None:
    """Positions count bytes from 1, since that is what other programs show for a bad file."""
    lines, problems = lines_of("aé".encode() + b"\xff\xfe\n\xe9\n")
    assert lines == [(1, "aé??\n"), (2, "?\n")]
    assert problems == [
        "line 1: not UTF-8: byte 0xFF at byte 4 of the line; save the file as UTF-8",
        "line 2: not UTF-8: byte 0xE9 at byte 1 of the line; save the file as UTF-8",
    ]


@pytest.mark.row(29)
def test_surrogates_in_utf_8_are_bad_bytes() -> None:
    """Some databases write them; they are half characters."""
    assert len(lines_of("\ud83d\n".encode(errors="surrogatepass"))[1]) == 1


@pytest.mark.row(29)
def test_the_mark_at_the_start_is_no_part_of_the_first_line() -> None:
    """Spreadsheets write it; a column name with it would be unknown."""
    assert lines_of(b"\xef\xbb\xbfa\r\nb")[0] == [(1, "a\n"), (2, "b")]


def batches(content: bytes) -> Iterator[tuple[int, list[str] | None]]:
    """The batches with the number of their first line; None where lines must be looked at."""
    lines = Lines(io.BytesIO(content), found=Problems(limit=100))
    while (batch := lines.batch()) is not None or not lines.is_drained:
        if batch is None:
            yield lines.number + 1, None
            list(takewhile(lambda _: not lines.is_drained, lines))
        else:
            yield lines.take(batch), batch


def test_batches_have_every_line_once_and_whole() -> None:
    """However the blocks of the file cut them, and whichever line end the last one lacks."""
    wanted = [f"{number}:{'x' * (number % 97)}é" for number in range(9_000)]
    found = list(batches("\r\n".join(wanted).encode()))
    assert len(found) > 3
    assert [line for _, batch in found for line in batch or ()] == wanted
    assert [first for first, _ in found] == [
        1 + sum(len(batch or ()) for _, batch in found[:n]) for n in range(len(found))
    ]


@pytest.mark.parametrize(
    "bad", [b"a\0b", b"\xff", b"x" * LONGEST, "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_line_with_a_fault_is_in_no_batch(bad: bytes) -> None:
    """Only one line at a time is looked at closely enough to say what is wrong."""
    assert [batch for _, batch in batches(b"good\n" + bad + b"\ngood\n")] == [None]


def test_lines_that_were_iterated_are_in_no_batch() -> None:
    """A header is read by itself, and what follows it at once."""
    lines = Lines(io.BytesIO(b"head\na\nb\n"), found=Problems(limit=1))
    next(lines)
    assert lines.batch() == ["a", "b"]
    assert lines.take(["a", "b"]) == 2
    assert (lines.number, lines.batch()) == (3, None)


def test_how_far_it_has_read_is_told() -> None:
    """A bar shows it, and it ends at the end."""
    told: list[int] = []
    content = b"x" * 99 + b"\n"
    list(Lines(io.BytesIO(content * 5_000), found=Problems(limit=1), progress=told.append))
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, 500_000)


def test_a_stream_is_read_from_its_start() -> None:
    """Whoever looked at it before left it anywhere."""
    stream = io.BytesIO(b"a\nb\n")
    stream.seek(2)
    assert list(Lines(stream, found=Problems(limit=1))) == ["a\n", "b\n"]


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"\0a", b"a\0b"])
def test_short_files_are_not_taken_for_other_formats(content: bytes) -> None:
    """Four bytes at least tell UTF-16 apart."""
    lines_of(content)


@pytest.mark.row(29)
def test_utf_16_is_known_by_its_first_letters() -> None:
    """Whichever byte comes first."""
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(InvalidInput):
            lines_of("ab".encode(encoding))
