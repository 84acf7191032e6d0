"""The search for canaries finds them: one that finds nothing would pass on everything."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from tests.security.canaries import Haystack

WORD = "Canary-zq7-Planning"

HIDDEN = {
    "plain": WORD,
    "in capitals": WORD.upper(),
    "reversed": WORD[::-1],
    "quoted for a URL": quote(f"x y {WORD}&"),
    "JSON within JSON": json.dumps(json.dumps({"a": WORD})),
    "repr of bytes": repr(WORD.encode()),
    "hex": WORD.encode().hex(),
    "hex of a dump": WORD.encode().hex(" ").upper(),
    "base64": base64.b64encode(WORD.encode()).decode(),
    "base64 in the middle": base64.b64encode(f'[["x", "{WORD}"]]'.encode()).decode(),
    "base64, one more": base64.b64encode(f'[["xy", "{WORD}"]]'.encode()).decode(),
    "base64, two more": base64.b64encode(f'[["xyz", "{WORD}"]]'.encode()).decode(),
    "base64 for a URL": base64.urlsafe_b64encode(f"??>>{WORD}??>>".encode()).decode(),
    "a message of Celery": json.dumps(
        {"body": base64.b64encode(json.dumps([[WORD], {}]).encode()).decode()}
    ),
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_a_planted_word_is_found(text: str) -> None:
    """Whatever form it has been given on its way."""
    assert Haystack(b"before", f"{text} after").found({"word": WORD}) == ["word"]


def test_a_word_that_is_not_there_is_not_found() -> None:
    """Nor is one that is allowed to be there."""
    assert Haystack(b"nothing of the kind").found({"word": WORD}) == []
    assert Haystack(WORD).found({"word": WORD}, allowed=["word"]) == []
