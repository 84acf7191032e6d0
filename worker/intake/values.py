"""Checks of what a cell says, apart from time: names, texts and choices.

A value that is refused raises CellError. Event text is never part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from worker.intake.problems import CellError

#: what clears a field in a CSV cell, where a blank leaves it as it is
CLEAR = "#N/A"

#: what spreadsheets put where a formula failed; never meant, and `#` at a line's start is a comment
SPREADSHEET_ERRORS = ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!")

#: characters; our own cap for ids and refs, which the API does not state
LONGEST_NAME = 255

#: characters that the API takes (cronofy-api §4.1); it states none for location
LONGEST_SUMMARY, LONGEST_DESCRIPTION, LONGEST_LOCATION = 1024, 4096, 1024

TRANSPARENCIES = ("opaque", "transparent")

#: controls but for line feed and tab, and halves of characters, which UTF-8 does not have
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

#: what nearly all ids are made of; to be sure, and at once: others are looked at more closely
plain = re.compile(r"[!-\"$-+\--~]{1,255}").fullmatch


def name(text: str) -> str:
    """Checks an id of the API: short, and of visible characters without white space or comma."""
    if len(text) > LONGEST_NAME:
        raise CellError(
            f"{len(text):,} characters; an id has at most {LONGEST_NAME}", step="correct it"
        )
    if text[0] == "#" and text in SPREADSHEET_ERRORS:
        raise CellError("a formula has failed here", step="correct the spreadsheet")
    if not text.isprintable() or " " in text:
        raise CellError("an id holds no white space or control characters", step="remove them")
    if "," in text:
        raise CellError("an id holds no comma", step="give one event per line")
    return text


def account(text: str, known: Collection[str] | None) -> str:
    """Checks that an account is one of those that are known; None asks for the form only."""
    if known is None:
        return name(text)
    if text not in known:
        raise CellError(
            "unknown account",
            step="correct it, or add it with `calpatch accounts import`",
            wanted=text,
            among=known,
        )
    return text


def ref(text: str) -> str:
    """Checks the caller's own reference."""
    return _plain(text, longest=LONGEST_NAME)


def summary(text: str) -> str:
    """Checks a title; the API takes no event without one."""
    if text == CLEAR:
        raise CellError("a title cannot be cleared", step="leave it out to keep it")
    return _text(text, longest=LONGEST_SUMMARY)


def description(text: str) -> str:
    """Checks a description; "" clears it."""
    return "" if text == CLEAR else _text(text, longest=LONGEST_DESCRIPTION)


def location(text: str) -> str:
    """Checks a location; "" clears it."""
    return "" if text == CLEAR else _text(text, longest=LONGEST_LOCATION)


def transparency(text: str) -> str:
    """Checks whether an event blocks time: opaque does, transparent does not."""
    if text == CLEAR:
        raise CellError("transparency cannot be cleared", step="give opaque or transparent")
    if text not in TRANSPARENCIES:
        raise CellError(
            "neither opaque nor transparent",
            step="give one of the two",
            wanted=text,
            among=TRANSPARENCIES,
        )
    return text


def control_in(text: str) -> CellError | None:
    """Says where a text has a control character; None when it has none."""
    found = _CONTROL.search(text)
    if found is None:
        return None
    at = f"U+{ord(found[0]):04X} at character {found.start() + 1}"
    return CellError(f"a control character, {at}", step="remove it")


def _text(text: str, *, longest: int) -> str:
    if text in SPREADSHEET_ERRORS:
        raise CellError("a formula has failed here", step="correct the spreadsheet")
    if text.isspace():
        raise CellError("nothing but white space", step="leave it out to keep what is there")
    return _plain(text, longest=longest)


def _plain(text: str, *, longest: int) -> str:
    """Checks length and characters; line ends come out as line feeds."""
    if not text.isprintable():
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if (error := control_in(text)) is not None:
            raise error
    if len(text) > longest:
        raise CellError(
            f"{len(text):,} characters; at most {longest:,} are taken", step="shorten it"
        )
    return text
