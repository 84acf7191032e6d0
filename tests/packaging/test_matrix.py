"""No row of the fault matrix without a test, and the page says which."""

from __future__ import annotations

from tests.packaging.matrix import EACH_PUSH, MATRIX, ROWS, marked_by_row, written


def test_every_row_has_a_test() -> None:
    """Rows 1 to 39; the last one is the soak."""
    assert sorted(ROWS) == list(range(1, 41))
    marked = marked_by_row()
    assert [number for number in range(1, 40) if not marked[number]] == []


def test_what_is_promised_for_each_push_is_not_left_to_the_night() -> None:
    """Each of those rows has a test that `.ci/run` runs."""
    marked = marked_by_row()
    assert [row for row in sorted(EACH_PUSH) if all(test.nightly for test in marked[row])] == []


def test_only_tests_carry_marks() -> None:
    """A mark that slipped onto a helper would say that a row is tried."""
    names = [test.name.partition("::")[2] for tests in marked_by_row().values() for test in tests]
    assert [name for name in names if name and not name.startswith(("test_", "Test"))] == []


def test_no_mark_names_a_row_that_there_is_not() -> None:
    """A typo in a mark would count for nothing."""
    assert set(marked_by_row()) <= set(ROWS)


def test_the_page_is_up_to_date() -> None:
    """`make readme` writes it."""
    assert MATRIX.read_text(encoding="utf-8") == written()
