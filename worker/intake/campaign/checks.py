"""Checks of single values of a campaign file: names, domains, durations, hours and patterns.

A value that is refused raises ValueError, mostly a CellError. The form has been judged by the
schema; what is asked here is whether it means something.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from worker.intake import moments, values
from worker.intake.problems import CellError
from worker.model import Lasting, Replace, Shift
from worker.rules import check_replace, compiled, parse_length, parse_shift

#: a word, a blank and what is neither: any empty occurrence shows beside one of them
_PROBE: Final = "a \N{REPLACEMENT CHARACTER}"
#: how long from today, in days or weeks
_AWAY: Final = re.compile(r"([+-]?)P(\d{1,4})([DW])", re.ASCII)


def words(text: str) -> str:
    """Checks a line of words; blanks around it do not count."""
    line = text.strip()
    if not line:
        raise CellError("nothing but white space", step="write some words")
    if not line.isprintable():
        raise CellError("more than a line", step="write it in one; >- folds several lines")
    return line


def sought(text: str) -> str:
    """Checks a text that is looked for."""
    if text.isspace():
        raise CellError("nothing but white space", step="write some words")
    return text


def name(text: str) -> str:
    """Checks an id of the API."""
    if "," in text:
        raise CellError("an id holds no comma", step="give each id its own entry")
    return values.name(text)


def account(text: str, known: Collection[str] | None) -> str:
    """Checks an account; one of those known, unless None are."""
    return name(text) if known is None else values.account(text, known)


def domain(text: str) -> str:
    """Returns a domain in lower case, without the @ that may stand before it."""
    return text.removeprefix("@").casefold()


def address(text: str) -> str:
    """Returns an address in lower case."""
    return text.casefold()


def denied(text: str) -> str:
    """Checks what is never touched: a calendar's id, an address, or a domain with its @."""
    if "@" in text:
        return name(text.casefold())
    if "." in text:
        raise CellError("no id of a calendar", step=f'write "@{text}" for a domain')
    return name(text)


def zone(text: str) -> str:
    """Checks the name of a zone."""
    return moments.zone(text)


def day(text: str, *, today: date) -> date:
    """Reads a date, or how many days or weeks it is from today."""
    if text == "today":
        return today
    with _step("correct the date"):
        away = _AWAY.fullmatch(text)
        if away is None:
            return moments.day(text)
        sign, number, unit = away.groups()
        days = timedelta(days=int(number) * (7 if unit == "W" else 1))
        return moments.day(str(today - days if sign == "-" else today + days))


def moment(text: str, *, tzid: str) -> datetime:
    """Reads a moment, aware; a date is its first minute in `tzid`, which may be ""."""
    with _step("correct it"):
        found = moments.placed(text, tzid)
    if isinstance(found, datetime):
        # A naive time has one reading in its zone, or it would have been refused.
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(tzid))).astimezone(UTC)
    if not tzid:
        raise CellError("a date without a zone", step="give a time with an offset, or give tzid")
    return datetime.combine(found, time(), ZoneInfo(tzid)).astimezone(UTC)


def shift(text: str) -> Shift:
    """Reads a duration with an optional sign, by the wall clock."""
    with _step("write how far it moves, such as PT1H or -P1D"):
        return parse_shift(text)


def length(text: str) -> Lasting:
    """Reads a duration that something lasts."""
    with _step("write PT30M, P1D or P1DT2H"):
        return parse_length(text)


def seconds(text: str) -> int:
    """Reads a duration in seconds; a day has 86,400."""
    return int(length(text).delta.total_seconds())


def time_of_day(text: str) -> str:
    """Returns a time of day with two digits for the hour, as ISO 8601 has it."""
    return f"0{text}" if text[1] == ":" else text


def pattern(text: str) -> str:
    """Checks a regex."""
    try:
        compiled(text)
    except ValueError as error:
        lacks = "perl operator" in str(error) or "escape" in str(error)
        step = "RE2 has no look-around and no references back" if lacks else "correct it"
        raise CellError(
            str(error), step=f"{step}; see github.com/google/re2/wiki/Syntax"
        ) from error
    return text


def replaceable(text: str) -> str:
    """Checks a regex whose occurrences are replaced: none of them may be empty."""
    if re.fullmatch(r"/.*/i?", text, re.DOTALL):
        raise CellError(
            "the slashes would be part of this pattern",
            step="leave them out and write ignore_case: true for the i, or write [/] for a slash",
        )
    regex = compiled(pattern(text))
    # An occurrence between any two characters, or at each end: nobody means that.
    if any(not found.group() for found in regex.finditer(_PROBE)):
        raise CellError(
            "it fits an empty text, which is everywhere",
            step="use append or prepend, or make it ask for a character",
        )
    return text


def replacement(op: Replace) -> None:
    """Checks that what replaces something is not the same, and names only groups there are."""
    if op.how == "literal" and op.with_text == op.pattern:
        raise CellError("this is what is replaced", step="write another text")
    with _step("put the part that is meant in round brackets"):
        check_replace(op)


@contextmanager
def _step(step: str) -> Iterator[None]:
    """Adds what to do to a problem that does not say it itself."""
    try:
        yield
    except CellError:
        raise
    except ValueError as error:
        if "; " in str(error):
            raise
        raise CellError(str(error), step=step) from error
