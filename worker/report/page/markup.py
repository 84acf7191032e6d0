"""HTML made of values: whatever is not markup already is escaped, so that nobody can forget it.

Event text is written by strangers. A page shows it, and a browser never obeys it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, TypeAlias

from worker.report.contrast import in_one_line


class Html(str):
    """Markup that is ready: it is put into a page as it is."""

    __slots__ = ()


#: what a tag may hold
Child: TypeAlias = "Html | str | int | Iterable[Child] | None"
#: without an end tag
_VOID: Final = frozenset({"meta", "input", "br", "hr"})
#: characters that do not print, and may stay as they are: blanks that only do not break
_HARMLESS: Final = frozenset({"\u00a0", "\u202f"})
#: joins what stands beside it to one sign, as in 👩‍💻 and in several scripts
_JOINER: Final = "\u200d"


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element; `class_` is `class`, `data_label` is `data-label`.

    An attribute that is None or False is left out, one that is True has no value.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{told}>")
    return Html(f"<{name}{told}>{''.join(map(_child, children))}</{name}>")


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{plain(str(value))}"'


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str() | int():
            return plain(str(child))
        case _:
            return "".join(map(_child, child))


def plain(text: str) -> str:
    """Return text that a browser shows as it is; what does not print is written out."""
    return escape(text if text.isprintable() else "".join(_written_out(text)), quote=True)


def _written_out(text: str) -> Iterator[str]:
    for char in text:
        yield char if char.isprintable() or char in _HARMLESS else code_point(char)


def event_text(text: str) -> Html:
    """Return text of a calendar in one line, apart from the direction of what is around it.

    What does not print is shown by its number: a change may consist of nothing else.
    """
    return tag("bdi", event_characters(text))


def event_characters(text: str) -> Html:
    """Return text of a calendar, to be put into a `bdi`."""
    line = in_one_line(text)
    if line.isprintable():
        return Html(escape(line, quote=True))
    return Html("".join(_shown(line)))


def _shown(line: str) -> Iterator[str]:
    for place, char in enumerate(line):
        if char.isprintable() or char in _HARMLESS or _joins(line, place):
            yield escape(char, quote=True)
        else:
            yield tag("span", code_point(char), class_="hidden-char")


def _joins(line: str, place: int) -> bool:
    """Tell whether a joiner stands between two signs that it may make one of."""
    around = line[place - 1 : place] + line[place + 1 : place + 2]
    return line[place] == _JOINER and len(around) == 2 and not around.isascii()  # noqa: PLR2004


def code_point(char: str) -> str:
    """Return the name of a character by its number: U+202E."""
    return f"U+{ord(char):04X}"
