"""Cells of exports: no spreadsheet runs them, and they come back as they were (C17, row 31)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.report import guarded, restored, visible, visible_json
from worker.rules import format_shift, parse_shift
from worker.sheets import _HARMLESS

TRICKY = st.text(st.sampled_from("'=+-@\t\r\n\0＝aP1DT.M0"), max_size=8)


@pytest.mark.row(31)
@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"]
)
def test_a_formula_is_never_the_first_thing_in_a_cell(start: str) -> None:
    """A title such as =HYPERLINK(...) would else be run by whoever opens the file."""
    assert guarded(f'{start}HYPERLINK("http://203.0.113.9","x")')[0] == "'"


@pytest.mark.parametrize("text", ["-P1D", "+PT30M", "-PT1.5H", "-P1DT2H30M", "-5", "+12.5", "P1D"])
def test_shifts_and_numbers_stay_as_they_are(text: str) -> None:
    """A failed row with the shift -P1D must be fit to be submitted again by any program."""
    assert guarded(text) == text


@pytest.mark.parametrize(
    "text", ["-P1D+cmd|' /C calc'!A0", "-2+3", "+P=1", "-1E5", "--5", "-P1D\n"]
)
def test_what_only_begins_like_a_shift_is_guarded(text: str) -> None:
    """The exception is for whole shifts and numbers, not a way around the rule."""
    assert guarded(text) == f"'{text}"


@pytest.mark.row(31)
@given(st.one_of(st.text(max_size=12), TRICKY))
def test_guarding_can_be_undone_for_every_text(text: str) -> None:
    """An export that is submitted again must ask the very same, the user's apostrophes included."""
    assert restored(guarded(text)) == text


@pytest.mark.row(31)
@given(st.one_of(st.text(max_size=12), TRICKY))
def test_a_guarded_cell_starts_no_formula(text: str) -> None:
    """The rule holds for every text, not only for the known attacks."""
    cell = guarded(text)
    assert not cell.startswith(tuple("=@\t\r\n\0＝＋－＠"))
    assert cell[:1] not in {"+", "-"} or _HARMLESS.fullmatch(cell)


@given(st.integers(-399, 399), st.integers(-86_399, 86_399))
def test_every_shift_that_we_write_is_left_alone(days: int, seconds: int) -> None:
    """Whatever the grammar of shifts allows with a sign in front is harmless."""
    if not days and not seconds:
        return
    text = format_shift(parse_shift(f"{'-' if days < 0 else ''}P{abs(days)}DT{abs(seconds)}S"))
    assert guarded(text) == text
    assert guarded(f"+{text.lstrip('-')}") == f"+{text.lstrip('-')}"


def test_what_a_terminal_obeys_is_shown_instead() -> None:
    """An event's title may hold an escape that retitles the window or hides text (C19)."""
    assert visible("\x1b]0;owned\x07") == "\\x1b]0;owned\\x07"
    assert visible("safe \u202egnp") == "safe \\u202egnp"


def test_readable_text_is_shown_as_it_is() -> None:
    """Escaping must not make names of half the world unreadable."""
    assert visible("Réunion 週次 👍") == "Réunion 週次 👍"


@given(st.text())
def test_json_is_shown_and_means_the_same(text: str) -> None:
    """A terminal obeys what is in a JSON string as well as what is not."""
    shown = visible_json(json.dumps([text], ensure_ascii=False, indent=2))
    assert json.loads(shown) == [text]
    assert shown.replace("\n", "").isprintable()
