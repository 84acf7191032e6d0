"""Memory does not grow with the file."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.intake.samples import a_csv, an_input
from worker.errors import InvalidInput
from worker.intake import Input, check, rows

HEAD = b"account,calendar_id,event_uid,description\n"
MB = 1_000_000


@contextmanager
def peak_below(limit: int) -> Iterator[None]:
    """Checks what is allocated meanwhile, in bytes at the same time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


ENDLESS = {
    "line": b"x" * 8 * MB,
    "quoted cell": b'a,c,e,"' + b"x\n" * 4 * MB,
    "record of quoted cells": b'a,c,e,"' + b'\n","' * 2 * MB,
    "run of NULs": b"\0" * 8 * MB,
    "run of bad bytes": b"\xff" * 8 * MB,
}


@pytest.mark.row(30)
@pytest.mark.parametrize("case", ENDLESS)
def test_what_never_ends_is_given_up_early(case: str) -> None:
    """A gigabyte in one cell must not become a gigabyte in memory."""
    opened = an_input(HEAD + ENDLESS[case])
    with peak_below(4 * MB), pytest.raises(InvalidInput):
        check(opened, accounts=None)


def many(count: int) -> Input:
    edits = [{"event_uid": f"evt_external_{n:024x}", "shift": "PT1H"} for n in range(count)]
    return an_input(a_csv(*edits))


@pytest.mark.row(30)
def test_a_check_keeps_no_rows() -> None:
    """Three times the edits take no more memory: those that were read are on disk."""
    few, lots = many(8_000), many(24_000)
    with peak_below(3 * MB):
        check(few, accounts=None)
    with peak_below(3 * MB):
        check(lots, accounts=None)


@pytest.mark.row(30)
def test_rows_keep_nothing() -> None:
    """To look at a million edits is as cheap as at a thousand."""
    opened = many(8_000)
    found = check(opened, accounts=None)
    with peak_below(MB):
        assert sum(1 for _ in rows(opened)) == found.rows
