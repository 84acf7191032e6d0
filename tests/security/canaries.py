"""Words that must not be found, and looking for them in every form that something may give them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

#: runs of base64 long enough to hold a word; kombu packs every message's body so
_PACKED = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")
#: characters of a canary that are looked for: what stays when base64 cuts off its ends
_LEAST = 12


def forms(word: str) -> set[bytes]:
    """Return a word as logs, dumps, messages and URLs may show it, in lower case."""
    raw = word.encode()
    shown = {
        word,
        word[::-1],
        quote(word, safe=""),
        quote_plus(word),
        word.encode("unicode_escape").decode(),
        raw.hex(),
        raw.hex(" "),
        raw.hex(":"),
        raw[::-1].hex(),
    }
    return {each.lower().encode() for each in shown}


def packed_forms(word: str) -> set[bytes]:
    """Return what stands in base64 of any text that holds the word; upper and lower case count."""
    found = set[bytes]()
    for before in range(3):
        # Whole groups of three bytes only: the others depend on what surrounds the word.
        skipped = -before % 3
        middle = word.encode()[skipped:]
        middle = middle[: len(middle) // 3 * 3]
        found |= {base64.b64encode(middle), base64.urlsafe_b64encode(middle)}
    return {each for each in found if len(each) >= _LEAST}


class Haystack:
    """Bytes from anywhere, unpacked as far as they are packed, in which words are looked for."""

    def __init__(self, *parts: bytes | str) -> None:
        whole = b"\n".join(part.encode() if isinstance(part, str) else part for part in parts)
        self.raw = b"\n".join([whole, *_unpacked(whole)])
        self._lower = self.raw.lower()

    def holds(self, word: str) -> bool:
        """Tell whether the word is there in one form or another."""
        return any(form in self._lower for form in forms(word)) or any(
            form in self.raw for form in packed_forms(word)
        )

    def found(self, canaries: Mapping[str, str], *, allowed: Iterable[str] = ()) -> list[str]:
        """Return the names of those canaries that are there and must not be."""
        return [
            name for name, word in canaries.items() if name not in set(allowed) and self.holds(word)
        ]


def _unpacked(data: bytes) -> Iterable[bytes]:
    for run in _PACKED.findall(data):
        digits = run.rstrip(b"=").translate(_ONE_ALPHABET)
        yield base64.b64decode(digits[: len(digits) // 4 * 4])
