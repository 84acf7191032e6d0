"""No row of the fault matrix without a test, and the page says which."""

from __future__ import annotations

from tests.packaging.matrix import MATRIX, ROWS, marked_by_row, written


def test_every_row_has_a_test() -> None:
    """Rows 1 to 39; the last one is the soak."""
    assert sorted(ROWS) == list(range(1, 41))
    marked = marked_by_row()
    assert [number for number in range(1, 40) if not marked[number]] == []


def test_no_mark_names_a_row_that_there_is_not() -> None:
    """A typo in a mark would count for nothing."""
    assert set(marked_by_row()) <= set(ROWS)


def test_the_page_is_up_to_date() -> None:
    """`make readme` writes it."""
    assert MATRIX.read_text(encoding="utf-8") == written()
