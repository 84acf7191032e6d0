"""How long an answer asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cronofy.retry_after import LONGEST_S, SHORTEST_S, retry_after_s

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DATE = "Mon, 01 Jun 2026 11:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("2.5", 2.5),
        ("0", 1),
        ("86400", 300),
        ("9" * 400, None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("Mon, 01 Jun 2026 11:00:30 GMT", 30),
        ("Mon, 01 Jun 2026 11:00:30 -0000", 30),
        ("Mon, 01 Jun 2026 10:00:00 GMT", 1),
        ("Mon, 01 Jun 2099 10:00:00 GMT", 300),
        ("Mon, 99 Jun 2026 10:00:00 GMT", None),
    ],
)
def test_both_forms_are_read_and_clamped(text: str, seconds: float | None) -> None:
    """Nonsense means unknown; nothing makes us hurry or stop for hours (fault 15)."""
    assert retry_after_s({"Retry-After": text, "Date": DATE}, now=NOW) == seconds


def test_without_the_header_nothing_is_known() -> None:
    """None is not zero: the caller waits as seems right."""
    assert retry_after_s({"Date": DATE}, now=NOW) is None


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_our_clock_decides(date: str) -> None:
    """An answer should carry a Date, but need not."""
    headers = {"Retry-After": "Mon, 01 Jun 2026 12:00:20 GMT", "Date": date}
    assert retry_after_s(headers, now=NOW) == 20


@pytest.mark.row(15, 20)
@given(skew=st.timedeltas(timedelta(days=-2), timedelta(days=2)))
def test_a_clock_that_is_off_does_not_matter(skew: timedelta) -> None:
    """The answer's own Date is the reference."""
    headers = {"Retry-After": "Mon, 01 Jun 2026 11:00:30 GMT", "Date": DATE}
    assert retry_after_s(headers, now=NOW + skew) == 30


@given(text=st.text(max_size=60), date=st.text(max_size=60))
def test_whatever_is_said_the_wait_is_bounded(text: str, date: str) -> None:
    """A header comes from outside."""
    seconds = retry_after_s({"Retry-After": text, "Date": date}, now=NOW)
    assert seconds is None or SHORTEST_S <= seconds <= LONGEST_S
