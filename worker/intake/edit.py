"""From the values of one line to a Row: every value is checked, then how they go together.

Both formats come through here, so that the same wish is the same patch in either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from worker.intake import moments, values
from worker.intake.moments import Moment
from worker.intake.problems import Problems
from worker.intake.row import Row
from worker.intake.values import plain
from worker.model import EventKey, Move, Patch, Reschedule

T = TypeVar("T")


class Asked(NamedTuple):
    """The texts of one line, in the order of the documented columns.

    "" is "not given"; values.CLEAR clears a text.
    """

    account: str = ""
    calendar_id: str = ""
    event_uid: str = ""
    date_hint: str = ""
    shift: str = ""
    new_start: str = ""
    new_end: str = ""
    tzid: str = ""
    summary: str = ""
    description: str = ""
    location: str = ""
    transparency: str = ""
    expect_start: str = ""
    ref: str = ""


COLUMNS = Asked._fields
REQUIRED = COLUMNS[:3]
CHANGES = ("shift", "new_start", "new_end", "summary", "description", "location", "transparency")

_FIRST_CHANGE, _LAST_CHANGE = COLUMNS.index("shift"), COLUMNS.index("ref")

#: event text: may be cleared, and is never part of a message
TEXTS = frozenset({"summary", "description", "location"})


class EditReader:
    """Reads lines into Rows, and takes down the problems of those that are wrong.

    `names` tells what the format calls a column, where that is not the column's own name.
    """

    def __init__(
        self,
        found: Problems,
        *,
        accounts: Collection[str] | None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._found = found
        self._account = partial(values.account, known=accounts)
        self._names = names or {}
        #: those that have been checked; at most as many as a file has, which is few
        self._accounts: set[str] = set()
        self._line_no = 0
        #: without and with elapsed time
        self._patches: tuple[dict[tuple[str, ...], Patch], ...] = ({}, {})

    def read(
        self, asked: tuple[str, ...], *, line_no: int, cells: tuple[str, ...], elapsed: bool = False
    ) -> Row | None:
        """Returns None when there was any problem with the line."""
        self._line_no = line_no
        before = self._found.count
        account, calendar_id, event_uid, hint = asked[:_FIRST_CHANGE]
        ref = asked[_LAST_CHANGE]
        if not (account in self._accounts and plain(calendar_id) and plain(event_uid)):
            self._check_names(account, calendar_id, event_uid)
        row = Row(
            line_no=line_no,
            account=account,
            key=EventKey(calendar_id, event_uid),
            patch=self.patch(asked[_FIRST_CHANGE:_LAST_CHANGE], elapsed=elapsed),
            hint=self._take("date_hint", hint, check=moments.day) if hint else None,
            ref=ref if plain(ref) else self._take("ref", ref, check=values.ref) or "",
            cells=cells,
        )
        return row if self._found.count == before else None

    def patch(self, changes: tuple[str, ...], *, elapsed: bool) -> Patch:
        """Reads the columns from `shift` to `expect_start`.

        Remembers patches without event text: most files repeat a few.
        """
        patches = self._patches[elapsed]
        patch = patches.get(changes)
        if patch is None:
            before = self._found.count
            patch = self._read_patch(changes, elapsed=elapsed)
            texts = patch.summary or patch.description or patch.location
            if not texts and self._found.count == before:
                if len(patches) >= moments.CACHED:
                    patches.clear()
                patches[changes] = patch
        return patch

    def _check_names(self, *texts: str) -> None:
        """Checks what every edit needs; an account that is right is not looked at again."""
        before = self._found.count
        for column, text in zip(REQUIRED, texts, strict=True):
            if not text:
                self._note("missing; every edit needs it", column)
            self._take(column, text, check=self._account if column == "account" else values.name)
        if self._found.count == before:
            self._accounts.add(texts[0])

    def _read_patch(self, changes: tuple[str, ...], *, elapsed: bool) -> Patch:
        shift, start, end, tzid, summary, description, location, transparency, expect = changes
        if not (shift or start or end or summary or description or location or transparency):
            self._note("nothing to change; say what the edit shall change")
        take = self._take
        times = (shift, start, end, expect)
        if tzid and take("tzid", tzid, check=moments.zone) is None:
            # Without its zone no time can be judged: one problem then, not three.
            times = (shift, "", "", "")
        move, expected = self._times(times, tzid=tzid, elapsed=elapsed)
        return Patch(
            move=move,
            summary=take("summary", summary, check=values.summary),
            description=take("description", description, check=values.description),
            location=take("location", location, check=values.location),
            transparency=take("transparency", transparency, check=values.transparency),
            tzid=tzid or None,
            expect_start=expected,
        )

    def _times(
        self, times: tuple[str, str, str, str], *, tzid: str, elapsed: bool
    ) -> tuple[Move | None, str | None]:
        """Reads how the event moves, and the start that it must still have."""
        shift, start, end, expect = times
        read_shift = moments.elapsed_shift if elapsed else moments.shift
        move: Move | None = self._take("shift", shift, check=read_shift)
        if not (start or end or expect):
            return move, None
        placed = partial(moments.placed, tzid=tzid)
        expected = self._take("expect_start", expect, check=placed)
        if start or end:
            if shift:
                other = self._name("new_start" if start else "new_end")
                self._note(f"a shift excludes {other}; give one of them", "shift", shift)
            starts = self._take("new_start", start, check=placed)
            ends = self._take("new_end", end, check=placed)
            if starts and ends:
                in_order = partial(moments.in_order, after=starts, tzid=tzid)
                self._take("new_end", end, check=lambda _: in_order(ends))
            if expected and (given := starts or ends):
                same_kind = partial(moments.same_kind, as_=given)
                self._take("expect_start", expect, check=lambda _: same_kind(expected))
            move = Reschedule(start=_iso(starts), end=_iso(ends))
        return move, _iso(expected)

    def _take(self, column: str, text: str, *, check: Callable[[str], T]) -> T | None:
        """Checks one value; None when there is none, or when it is refused and taken down."""
        if not text:
            return None
        try:
            return check(text)
        except ValueError as error:
            wrong: str | ValueError = error
            if text == values.CLEAR and column not in TEXTS:
                wrong = "this cannot be cleared; only description and location can"
            self._note(wrong, column, text)
            return None

    def _note(self, error: str | ValueError, column: str = "", text: str = "") -> None:
        shown = "" if column in TEXTS else text
        self._found.note(error, line=self._line_no, column=self._name(column), value=shown)

    def _name(self, column: str) -> str:
        return self._names.get(column, column)


def _iso(found: Moment | None) -> str | None:
    return None if found is None else found.isoformat()
