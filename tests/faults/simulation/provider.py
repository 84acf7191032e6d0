"""The provider: the simulator's core, which also remembers how each event came to be as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.simulator import Simulator
from worker.simulator.values import Event, Key
from worker.simulator.waiting import Effect

if TYPE_CHECKING:
    from tests.faults.simulation.watch import Sent

#: An input line: its campaign and its number.
Line = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Past:
    """A state that an event was in, since when, and which line made it so (None: a person)."""

    event: Event
    line: Line | None
    at: float


class Provider(Simulator):
    """A simulator whose events have a history."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.history: dict[Key, list[Past]] = {}
        #: the writes that are being judged
        self.arriving: list[Sent] = []
        self._cause: Line | None = None

    def schedule(self, key: Key, effect: Effect, *, late_s: float = 0.0) -> None:
        """Let a write take later, in the name of its line."""
        line = next((one.line for one in self.arriving if one.key == key), None)

        def caused(event: Event | None, at: float) -> Event | None:
            changed = effect(event, at)
            self._cause = line if changed is not None else None
            return changed

        super().schedule(key, caused, late_s=late_s)

    def put(self, event: Event) -> None:
        """Make a state the latest one, and remember whose it is."""
        past = Past(event, self._cause, self.clock())
        self._cause = None
        self.history.setdefault(event.key, []).append(past)
        super().put(event)

    def is_meddled_with(self, key: Key) -> bool:
        """Tell whether a person has changed an event since it was seeded."""
        return any(past.line is None for past in self.history[key][1:])

    def must_not_be_written(self, key: Key) -> bool:
        """Tell whether an event was never to be touched, from the beginning."""
        event = self.initial[key]
        return bool(
            event.recurring
            or event.series_identifier
            or event.event_id
            or event.deleted
            or not event.options.update
        )
