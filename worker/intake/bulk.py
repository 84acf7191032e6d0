"""Reading many lines at once, by columns: the quick way for lines with nothing wrong.

What is checked here is what `EditReader` checks, for all values of a column together. Nothing is
told of a problem: lines that are not plainly right are all read one by one, which says it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec import json

from worker.intake import moments, values
from worker.intake.edit import EditReader
from worker.intake.problems import Problems
from worker.intake.row import Lot, expected_day, meaning, shown
from worker.model import Shift
from worker.store import SpoolColumns

_encode = json.Encoder().encode
_FAILED = frozenset(values.SPREADSHEET_ERRORS)


class Wanted(NamedTuple):
    """What a line asks, ready to be stored; `day` is that of the start that it expects."""

    patch: str
    is_relative: bool
    day: str | None


class BulkReader:
    """Reads lots; remembers what lines ask as long as no event text is in it."""

    def __init__(self, *, accounts: Collection[str] | None) -> None:
        self._accounts = accounts
        self._trial = Problems(limit=0)
        self._reader = EditReader(self._trial, accounts=accounts)
        self._good_accounts: set[str] = set()
        self._wanted: dict[tuple[str, ...], Wanted] = {}

    def read(
        self, asked: Sequence[Sequence[str]], *, cells: Sequence[str], first: int
    ) -> Lot | None:
        """Returns the lot of lines from `first` on; None when one of them needs a closer look.

        `asked` has the documented columns in their order, `cells` what is echoed, as JSON.
        """
        account, calendar, uid, hint = asked[:4]
        ref = asked[-1]
        if not (self._are_known(account) and _are_names(calendar) and _are_names(uid)):
            return None
        days, wanted = _days(hint), self._all_wanted(asked[4:-1])
        if days is None or wanted is None or not _are_refs(ref):
            return None
        patches = [patch for patch, _, _ in wanted]
        named = zip(account, calendar, uid, patches, strict=True)
        changes = [sha256("\0".join(names).encode()).digest() for names in named]
        hints = zip(hint, wanted, strict=True)
        columns = SpoolColumns(
            line_no=range(first, first + len(uid)),
            account=account,
            calendar_id=calendar,
            event_uid=uid,
            hint=[days[said][0] or expected for said, (_, _, expected) in hints],
            ref=ref,
            patch=patches,
            cells=cells,
            change_digest=[*map(shown, changes)],
            relative=[is_shift for _, is_shift, _ in wanted],
            repeats=[0] * len(uid),
        )
        return Lot(columns, meaning(changes, days=[days[said][1] for said in hint], refs=ref))

    def _are_known(self, accounts: Sequence[str]) -> bool:
        for account in {*accounts} - self._good_accounts:
            try:
                if not account or values.account(account, self._accounts) != account:
                    return False
            except ValueError:
                return False
            self._good_accounts.add(account)
        return True

    def _all_wanted(self, columns: Sequence[Sequence[str]]) -> list[Wanted] | None:
        """Reads each way of asking once; most lots have a few."""
        used = [place for place, column in enumerate(columns) if any(column)]
        asked = list(zip(*[columns[place] for place in used], strict=True))
        known: dict[tuple[str, ...], Wanted] = {}
        for texts in {*asked}:
            given = dict(zip(used, texts, strict=True))
            key = tuple(given.get(place, "") for place in range(len(columns)))
            wanted = self._wanted.get(key) or self._read_wanted(key)
            if wanted is None:
                return None
            known[texts] = wanted
        return [known[texts] for texts in asked] if used else None

    def _read_wanted(self, key: tuple[str, ...]) -> Wanted | None:
        before = self._trial.count
        patch = self._reader.patch(key, elapsed=False)
        if self._trial.count > before:
            return None
        day = expected_day(patch)
        wanted = Wanted(
            patch=_encode(patch).decode(),
            is_relative=isinstance(patch.move, Shift),
            day=day.isoformat() if day else None,
        )
        if not (patch.summary or patch.description or patch.location):
            if len(self._wanted) >= moments.CACHED:
                self._wanted.clear()
            self._wanted[key] = wanted
        return wanted


def _are_names(texts: Sequence[str]) -> bool:
    """Tells that `values.name` takes every one of them."""
    joined = "".join(texts)
    return (
        joined.isprintable()
        and " " not in joined
        and "," not in joined
        and "" not in texts
        and len(max(texts, key=len)) <= values.LONGEST_NAME
        and not ("#" in joined and _FAILED & {*texts})
    )


def _are_refs(texts: Sequence[str]) -> bool:
    """Tells that `values.ref` takes every one of them as it is."""
    return "".join(texts).isprintable() and len(max(texts, key=len)) <= values.LONGEST_NAME


def _days(hints: Sequence[str]) -> dict[str, tuple[str | None, int]] | None:
    """Returns each hint's date, as text and as a number; None when one is no date."""
    days: dict[str, tuple[str | None, int]] = {"": (None, 0)}
    try:
        for hint in {*hints} - {""}:
            day = moments.day(hint)
            days[hint] = (day.isoformat(), day.toordinal())
    except ValueError:
        return None
    return days
