"""Keys that the format does not have: what they were meant to be, and where they belong."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from worker.intake.campaign.shape import places_of_keys
from worker.intake.problems import CellError, nearest

#: what other programs call a key
_OTHER_NAMES: Final = {
    "title": ("summary",),
    "name": ("id", "summary"),
    "start": ("from", "at"),
    "end": ("to", "deadline"),
    "until": ("to", "deadline"),
    "timezone": ("tzid",),
    "time_zone": ("tzid",),
    "tz": ("tzid",),
    "zone": ("tzid",),
    "group": ("labels",),
    "tenant": ("labels",),
    "regex": ("pattern",),
    "pattern": ("regex",),
    "text": ("literal",),
    "attendees_any_domain": ("attendees.any_domain",),
    "attendees_only_domains": ("attendees.only_domains",),
    "url": ("webhook",),
    "lane": ("priority",),
}

#: keys that there are elsewhere, but not in a campaign
_ELSEWHERE: Final = {
    "run.batch.counts_as": CellError(
        "what a batch costs at the limit depends on the API, not on a campaign",
        step="remove it, and set CALPATCH_BATCH_COUNTS_AS for the installation",
    ),
    "run.verify.within": CellError(
        "how long a read-back may take is the same for all campaigns",
        step="remove it, and set CALPATCH_VERIFY_WITHIN for the installation",
    ),
}

_NUMBER = re.compile(r"\[\d+\]")


class Unknown(NamedTuple):
    """What is said of an unknown key; `near` is the key that it was meant to be, or ""."""

    error: CellError
    near: str


def unknown(key: str, *, path: str, known: Collection[str]) -> Unknown:
    """Says what is wrong with a key below a path that has only others."""
    whole = f"{_NUMBER.sub('', path)}.{key}".lstrip(".")
    if key == "<<":
        return Unknown(CellError("there are no merge keys here", step="write the keys out"), "")
    if whole in _ELSEWHERE:
        return Unknown(_ELSEWHERE[whole], "")
    near = _near(key, known)
    if near:
        said = f'unknown key (did you mean "{near}"?)'
        return Unknown(CellError(said, step="correct or remove it"), near)
    listed = ", ".join(known)
    return Unknown(CellError("unknown key", step=f"the keys here are {listed}"), "")


def _near(key: str, known: Collection[str]) -> str:
    for other in _OTHER_NAMES.get(key, ()):
        if other.partition(".")[0] in known:
            return other
    places = places_of_keys().get(key, frozenset())
    return nearest(key, known) or (min(places) if len(places) == 1 else "")
