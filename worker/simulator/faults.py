"""Faults: when (`Match`) and what (an `Act`), from a script file or the control API.

A script is a JSON array, or one object a line (`#` lines are ignored):
`{"match": {"route": "batch", "after": 2}, "act": {"do": "reset", "taken": true}}`
cuts the connection of the third batch after its writes were taken.
"""

import random
from pathlib import Path
from typing import Any, Literal

import msgspec

from worker.simulator.acts import Act, Drop, Late, Lengthen, LoopPages, Reply, Shorten, UserEdit
from worker.simulator.values import Key

Route = Literal[
    "any", "write", "token", "revoke", "userinfo", "account", "profiles", "revoke_profile",
    "calendars", "create_calendar", "events", "page", "edit", "delete", "participation",
    "bulk_delete", "permissions", "batch", "batch_item", "channels",
]  # fmt: skip
#: `write` means any of these, alone or inside a batch.
WRITES = frozenset({"edit", "delete", "batch_item"})


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a fault meets. What is None is not compared."""

    route: Route = "any"
    sub: str | None = None
    calendar_id: str | None = None
    event_uid: str | None = None
    #: Lets this many matching requests pass first.
    after: int = 0
    #: Meets this many of them; null = for ever.
    times: int | None = 1
    #: Chance of each, drawn by a seed.
    probability: float = 1.0


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a fault script."""

    act: Act
    match: Match = Match()
    #: For whoever reads the script and the log.
    note: str = ""

    @property
    def name(self) -> str:
        """How the log calls it."""
        return self.note or str(self.act.__struct_config__.tag)


class Occasion(msgspec.Struct, frozen=True):
    """A request, or one item of a batch, as faults see it."""

    route: str
    sub: str | None = None
    targets: tuple[Key, ...] = ()


class FaultPlan:
    """The armed faults, with how often each has matched and fired. The first that fires wins."""

    def __init__(self, seed: int = 1) -> None:
        self.faults: list[Fault] = []
        self._seen: list[int] = []
        self._fired: list[int] = []
        self._rng = random.Random(seed)  # noqa: S311  # reproducible, not secret

    def add(self, *faults: Fault) -> None:
        """Arms faults, each checked for making sense."""
        for fault in faults:
            check_fault(fault)
        self.faults.extend(faults)
        self._seen.extend(0 for _ in faults)
        self._fired.extend(0 for _ in faults)

    def clear(self) -> None:
        """Disarms all."""
        self.faults, self._seen, self._fired = [], [], []

    def fire(self, occasion: Occasion) -> Fault | None:
        """The fault that meets this request, if any; it is counted."""
        chosen = None
        for at, fault in enumerate(self.faults):
            if _matches(fault.match, occasion):
                self._seen[at] += 1
                if chosen is None and self._is_due(at, fault.match):
                    self._fired[at] += 1
                    chosen = fault
        return chosen

    def shown(self) -> list[dict[str, Any]]:
        """All faults with their counts."""
        return [
            {"fault": fault, "seen": seen, "fired": fired}
            for fault, seen, fired in zip(self.faults, self._seen, self._fired, strict=True)
        ]

    def _is_due(self, at: int, match: Match) -> bool:
        spent = match.times is not None and self._fired[at] >= match.times
        if spent or self._seen[at] <= match.after:
            return False
        return match.probability >= 1 or self._rng.random() < match.probability


def load_faults(path: Path) -> list[Fault]:
    """Reads a script; ValueError names the file, the entry and what is wrong with it."""
    return read_faults(path.read_text("utf-8"), source=str(path))


def read_faults(text: str, *, source: str) -> list[Fault]:
    """Reads the text of a script: a JSON array, one object, or one object a line."""
    try:
        entries = _entries(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"{source}: not JSON: {error}") from error
    return [_read_fault(entry, f"{source}: entry {at}") for at, entry in enumerate(entries, 1)]


def check_fault(fault: Fault) -> None:
    """Refuses an act on a route that cannot play it."""
    route, act = fault.match.route, fault.act
    allowed = _playable(act)
    if allowed and route not in allowed:
        raise ValueError(
            f"{fault.name!r} works on route {' or '.join(sorted(allowed))}, not on {route!r}"
        )
    if route in ("batch_item", "write") and not isinstance(act, Reply | Drop | Late | UserEdit):
        raise ValueError(
            f"{fault.name!r} needs a whole request: use route 'batch', 'edit' or 'delete'"
        )


def _playable(act: Act) -> frozenset[str]:
    if isinstance(act, Shorten | Lengthen):
        return frozenset({"batch"})
    if isinstance(act, LoopPages):
        return frozenset({"events", "page"})
    if isinstance(act, Drop | Late):
        return WRITES | {"batch", "write", "participation"}
    return frozenset()


def _entries(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        return list(msgspec.json.decode(text))
    lines = (line.strip() for line in text.splitlines())
    wanted = [line for line in lines if line and not line.startswith("#")]
    try:
        return [msgspec.json.decode(line) for line in wanted]
    except msgspec.DecodeError:
        return [msgspec.json.decode("\n".join(wanted))]


def _read_fault(entry: Any, where: str) -> Fault:
    try:
        fault = msgspec.convert(entry, Fault)
        check_fault(fault)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return fault


def _matches(match: Match, occasion: Occasion) -> bool:
    if match.route == "write":
        route_fits = occasion.route in WRITES
    else:
        route_fits = match.route == occasion.route or (
            match.route == "any" and occasion.route != "batch_item"
        )
    return route_fits and match.sub in (None, occasion.sub) and _meets(match, occasion.targets)


def _meets(match: Match, targets: tuple[Key, ...]) -> bool:
    if match.calendar_id is None and match.event_uid is None:
        return True
    return any(
        match.calendar_id in (None, calendar_id) and match.event_uid in (None, event_uid)
        for calendar_id, event_uid in targets
    )
