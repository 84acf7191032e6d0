"""Patterns of RE2's kind: finding and replacing text by them.

Looking for one costs RE2 as much as the text is long, whatever the pattern, so that none can hold
a worker up (github.com/google/re2). Its \\d, \\s and \\w know ASCII alone; \\pN, \\pZ and \\pL know
all scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import re2

from worker.model import Replace, TextRule
from worker.rules.images import plain, with_lf

#: Characters of a text that is replaced in, and of what comes out: finding all occurrences of the
#: worst pattern costs the square of it, here a second. No field takes nearly as many.
LONGEST_TEXT: Final = 32_768
#: Patterns kept ready; a campaign has a few.
_PATTERNS: Final = 64
#: Bytes that a pattern may take when compiled, RE2's own way to bound it.
_PATTERN_BYTES: Final = 1 << 22
#: What a template may hold besides text: a group by number or name, a backslash by two.
_REFERENCE = re.compile(r"\\(?:([1-9])(?![0-9])|g<(\w+)>|(\\))", re.ASCII)


def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    """Return a pattern ready for use. Raises ValueError, whose message says what is wrong."""
    try:
        return _compiled(pattern, ignore_case)
    except UnicodeEncodeError:
        said = "it holds half a character"
    except re2.error as wrong:
        said = wrong.args[0].decode(errors="replace")
    raise ValueError(f"not a pattern: {said}")


def fits(text: str, rule: TextRule) -> bool:
    """Tell whether a text is like a rule wants it, whatever its line ends and outer white space.

    Raises ValueError for a regex that is none.
    """
    return _searched(rule).search(plain(text)) is not None


def replaced(text: str, op: Replace) -> str | None:
    """Return a text with each occurrence replaced; None when that would be far too long.

    An occurrence is looked for in the text without its outer white space and with LF line ends; a
    text without any stays the very same. Raises ValueError as `check_replace` does.
    """
    regex, parts = _prepared(op)
    within = plain(text)
    if regex.search(within) is None:
        return text
    if len(within) > LONGEST_TEXT:
        return None
    pieces: list[str] = []
    done = length = 0
    for found in regex.finditer(within):
        new = "".join([part if isinstance(part, str) else found[part] or "" for part in parts])
        pieces += (within[done : found.start()], new)
        length += found.start() - done + len(new)
        done = found.end()
        if length > LONGEST_TEXT:
            return None
    return "".join([*pieces, within[done:]])


def check_replace(op: Replace) -> None:
    """Raise ValueError unless the pattern is one, and every group that is named is one of its."""
    _prepared(op)


@lru_cache(maxsize=_PATTERNS)
def _compiled(pattern: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.max_mem = _PATTERN_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


@lru_cache(maxsize=_PATTERNS)
def _searched(rule: TextRule) -> Any:
    if rule.how == "regex":
        return compiled(rule.text, ignore_case=rule.ignore_case)
    text = with_lf(rule.text)
    source = _of_glob(text) if rule.how == "glob" else re2.escape(text)
    return compiled(source, ignore_case=rule.ignore_case)


def _of_glob(text: str) -> str:
    """Return a glob (* any text, ? one character) as a pattern of the whole text."""
    parts = [".*" if each == "*" else "." if each == "?" else re2.escape(each) for each in text]
    return rf"(?s)\A{''.join(parts)}\z"


@lru_cache(maxsize=_PATTERNS)
def _prepared(op: Replace) -> tuple[Any, tuple[str | int, ...]]:
    """Return the pattern, and the parts of what replaces it: texts, and groups by their number."""
    if not op.pattern:
        raise ValueError("nothing to look for: the pattern is empty")
    if op.how == "literal":
        source = re2.escape(with_lf(op.pattern))
        return compiled(source, ignore_case=op.ignore_case), (op.with_text,)
    regex = compiled(op.pattern, ignore_case=op.ignore_case)
    return regex, tuple(_parts(op.with_text, regex))


def _parts(template: str, regex: Any) -> Iterator[str | int]:
    # RE2's own templates turn é into two letters, and fail on an unknown group or a last \ only
    # once something is found (seen in google-re2 1.1.20251105).
    done = 0
    for found in _REFERENCE.finditer(template):
        yield _text(template[done : found.start()])
        number, name, backslash = found.groups()
        yield backslash or _group(regex, number or name)
        done = found.end()
    yield _text(template[done:])


def _text(text: str) -> str:
    if "\\" in text:
        raise ValueError(r"a \ that names no group; write \1 to \9, \g<name>, or \\ for itself")
    return text


def _group(regex: Any, named: str) -> int:
    number = int(named) if named.isdecimal() else regex.groupindex.get(named, 0)
    if not 0 < number <= regex.groups:
        raise ValueError(f"the pattern has no group {named}")
    return int(number)
