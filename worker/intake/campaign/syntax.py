"""What the YAML parser says, in words that tell a person what to do.

Its own messages speak of tokens; those that people meet are put into words here, the others are
handed on.
"""

from __future__ import annotations

import re
from typing import Any, Final

from yaml import MarkedYAMLError

from worker.intake.campaign.nodes import Mark
from worker.intake.problems import CellError, Problems

_QUOTE: Final = "put it in quotes"

#: by a part of the parser's message: what is wrong, and what to do
_WORDS: Final = (
    ("directive", "% begins a directive, which is not taken here", _QUOTE),
    (r"found character '\\t'", "a tab", "indent with spaces"),
    (r"found character '(?P<char>.)'", "a text cannot begin with {char}", _QUOTE),
    (
        "mapping values are not allowed",
        "a colon where no key can be",
        'put a text that holds ": " in quotes, or look for a wrong indentation here or above',
    ),
    (
        "sequence entries are not allowed",
        "a dash where no entry can be",
        "put the list on lines of its own, below its key",
    ),
    (
        "could not find expected ':'",
        "a line that is neither a key with a value nor an entry of a list",
        'write "key: value", or put a text of several lines in quotes',
    ),
    (
        "found unknown escape character",
        r"in double quotes a \ begins an escape, and this is none",
        r"write \\ for it, or put the text in single quotes",
    ),
    ("escape sequence of", "an escape that is not complete", "write it as in \\u00e9"),
    (
        "expected alphabetic or numeric character",
        "* and & do not stand for themselves at the beginning of a text",
        _QUOTE,
    ),
    ("found unexpected", "a quote opens here and is never closed", "close it"),
    (
        r"expected ',' or '(?P<char>.)'",
        "what opened in line {opened} is not closed here",
        "write a comma or {char}, and put texts that hold a comma, bracket, colon or ? in quotes",
    ),
    (
        "expected <block end>",
        "indented unlike what it belongs to",
        "begin the keys of a mapping, and the dashes of a list, exactly below each other",
    ),
    ("expected the node content", "a value is missing, or this belongs in quotes", _QUOTE),
    ("tag", "! begins a tag, which is not taken here", _QUOTE),
    (
        "expected '<document start>'",
        "the campaign has ended above this line",
        "indent it like what it belongs to, or remove it",
    ),
    (
        "indentation indicator|expected chomping|expected a comment or a line break",
        "a | or > with more beside it",
        "write |- or >- alone, and the text below it",
    ),
)


#: faults that are seen late; where they began is what must be changed
_BEGAN = re.compile(r"unexpected .*quoted scalar|expected ':'")


#: the key with which a line begins
_KEY = re.compile(r"[ \t]*(?:-[ \t]+)*([\w<-][\w.-]*)[ \t]*:")


def note_syntax(wrong: MarkedYAMLError, text: str, *, found: Problems) -> None:
    """Takes down why a text is no YAML, and the key of that line, if it begins with one."""
    said = f"{wrong.problem or ''} ({wrong.context or ''})"
    opened, stopped = _mark(wrong.context_mark), _mark(wrong.problem_mark)
    line, position = opened if _BEGAN.search(said) else stopped
    lines = text.split("\n")
    key = _KEY.match(lines[line - 1]) if line else None
    found.note(
        _error(said, opened=opened),
        line=line,
        column=key[1] if key else "",
        position=position,
    )


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(0, 0)


def _error(said: str, *, opened: Mark) -> CellError:
    for pattern, fault, step in _WORDS:
        if match := re.search(pattern, said):
            words = match.groupdict() | {"opened": opened.line}
            return CellError(fault.format(**words), step=step.format(**words))
    problem = said.partition(" (")[0]
    return CellError(f"not YAML: {problem}", step="compare it with `calpatch init -`")
