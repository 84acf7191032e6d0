"""Problems of an input file: what a check raises, and where they are collected.

A file may hold millions of wrong cells, so only the first problems are kept and put into words;
the others are counted.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from worker.errors import InvalidInput, Problem

#: characters of a value that a problem shows
SHOWN = 60

#: how often likely words are looked for, and among how many: a comparison costs up to 50 µs
MOST_SEARCHES, MOST_WORDS = 20, 2_000

#: words are alike up to so many wrong letters, and to this share: long ids begin alike by nature
WRONG_LETTERS, ALIKE = 2, 0.75


class CellError(ValueError):
    """Raised by a check of one value; the text says what is wrong and what to do.

    `wanted` and `among` name the words to suggest from; they are compared only if the problem is
    kept.
    """

    def __init__(self, wrong: str, *, step: str, wanted: str = "", among: Collection[str] = ()):
        super().__init__(f"{wrong}; {step}")
        self.wrong = wrong
        self.step = step
        self.wanted = wanted
        self.among = among

    def sentence(self, near: str = "") -> str:
        """Says the problem, the likely correction if there is one, and the next step."""
        asked = f'{self.wrong} (did you mean "{near}"?)' if near else self.wrong
        return f"{asked}; {self.step}"


class Problems:
    """The problems found so far: the first `limit` of them in words, all of them counted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept: list[Problem] = []
        self._room = limit
        #: by fault and word: what was found like it; a wrong word mostly stands in many lines
        self._near: dict[tuple[str, str], str] = {}
        self.count = 0

    def note(
        self,
        error: str | ValueError,
        *,
        line: int,
        column: str = "",
        value: str = "",
        position: int = 0,
    ) -> None:
        """Takes down one problem; `line` 0 is the file as a whole, `position` 0 the whole line."""
        self.count += 1
        if len(self.kept) < self._room:
            message = self._sentence(error) if isinstance(error, CellError) else str(error)
            problem = Problem(
                line=line,
                column=shown(column),
                value=shown(value),
                message=message,
                position=position,
            )
            self.kept.append(problem)

    def _sentence(self, error: CellError) -> str:
        key = (error.wrong, error.wanted)
        if error.wanted and key not in self._near and len(self._near) < MOST_SEARCHES:
            self._near[key] = nearest(error.wanted, error.among)
        return error.sentence(self._near.get(key, ""))

    def begin_again(self) -> None:
        """Has room for as many problems once more, of lines that have been passed already."""
        self._room = len(self.kept) + self.limit

    def refuse(self) -> None:
        """Raises InvalidInput when there is any problem, with the first ones by their lines."""
        if self.count:
            kept = sorted(self.kept, key=lambda problem: (problem.line, problem.position))
            kept = kept[: self.limit]
            raise InvalidInput(kept, more=self.count - len(kept))


def refused(message: str, *, value: str = "") -> InvalidInput:
    """Makes the error for an input that cannot be read at all."""
    return InvalidInput([Problem(line=0, column="", value=shown(value), message=message)])


def shown(value: str) -> str:
    """Cuts a value to what a problem shows, and escapes what a terminal would obey."""
    cut = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    return cut if cut.isprintable() else "".join(map(_visible, cut))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def nearest(word: str, among: Collection[str]) -> str:
    """Finds the word most like this one, whatever its case; "" when none is."""
    if not word or len(word) > SHOWN or len(among) > MOST_WORDS:
        return ""
    folded = {other.casefold(): other for other in among}
    cutoff = max(ALIKE, 1 - WRONG_LETTERS / len(word))
    matches = get_close_matches(word.strip().casefold(), folded, n=1, cutoff=cutoff)
    return folded[matches[0]] if matches else ""


def problems_object(error: InvalidInput) -> dict[str, Any]:
    """Return a broken file's problems as `--json` gives them."""
    return {
        "error": error.message,
        "next_step": error.next_step,
        "problems": [
            {
                "line": each.line,
                "position": each.position,
                "column": each.column,
                "value": each.value,
                "message": each.message,
            }
            for each in error.problems
        ],
        "more": error.more,
    }
