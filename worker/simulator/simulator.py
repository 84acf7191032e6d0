"""`Simulator`: the whole simulated service in memory. HTTP, routes and seeds sit on top of it.

Reads and the provider's truth are one state; an accepted write waits in a queue until it is due, so
reads show the
old state before. Whether the real service shows a write at acceptance or after the provider's round
trip is unknown.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from worker.simulator import windows
from worker.simulator.behaviour import Behaviour, changed_behaviour
from worker.simulator.diary import Diary
from worker.simulator.faults import FaultPlan
from worker.simulator.moments import moment_of
from worker.simulator.records import Journal, RequestRecord, WriteRecord
from worker.simulator.values import (
    Account,
    Calendar,
    Channel,
    Event,
    Key,
    Location,
    Notice,
    Profile,
    utc,
)
from worker.simulator.waiting import Effect, Waiting

SIM_CLIENT_ID = "sim-client-id"
#: Signs callbacks and is the API key; worth nothing outside a simulator.
SIM_CLIENT_SECRET = "sim-client-secret"  # noqa: S105  # not a secret: the simulator's published constant


class Simulator:
    """The in-memory world. Its dicts are readable state for tests; change them by its methods."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        clock: Callable[[], float] = time.time,
        journal: Journal | None = None,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        #: Seconds since the epoch; a test may pass a clock that it moves by hand.
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.calendars: dict[str, Calendar] = {}
        #: The latest state of every event that ever was, deleted ones too; `event` settles first.
        self.events: dict[Key, Event] = {}
        #: Every event as it was seeded.
        self.initial: dict[Key, Event] = {}
        self.diaries: dict[str, Diary] = {}
        self.requests: list[RequestRecord] = []
        self.writes: list[WriteRecord] = []
        #: Whatever people changed themselves, in order.
        self.meddled: list[Key] = []
        self.faults = FaultPlan()
        self.channels: dict[str, Channel] = {}
        #: Callbacks waiting for delivery, and who to wake for them.
        self.outbox: deque[Notice] = deque()
        self.wake: Callable[[], None] = lambda: None
        #: Callbacks are signed with each [§9]: one, or two while a secret is being changed.
        self.client_secrets: tuple[str, ...] = (SIM_CLIENT_SECRET,)
        self.limiter = windows.Limiter()
        #: access token -> (sub, end); refresh token -> sub; code -> sub.
        self.access_tokens: dict[str, tuple[str, float]] = {}
        self.refresh_tokens: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        #: Permission requests waiting for their user: token -> ((calendar, level), ...).
        self.asked: dict[str, tuple[tuple[str, str], ...]] = {}
        self.books: dict[str, Any] = {}
        self.journal = journal or Journal(None)
        self.rng = random.Random(self.behaviour.seed)  # noqa: S311  # reproducible, not secret
        self._waiting = Waiting()

    # --- building the world --------------------------------------------------------------------

    def add_account(self, account: Account) -> None:
        """Adds an account and the tokens it carries."""
        self.accounts[account.sub] = account
        if not account.access_expires_at:
            account.access_expires_at = self.clock() + self.behaviour.token_life_s
        self.access_tokens[account.access_token] = (account.sub, account.access_expires_at)
        self.refresh_tokens[account.refresh_token] = account.sub

    def add_calendar(self, calendar: Calendar) -> None:
        """Adds a calendar to its account."""
        self.calendars[calendar.calendar_id] = calendar
        self.diaries[calendar.calendar_id] = Diary()
        self.accounts[calendar.sub].calendar_ids.append(calendar.calendar_id)

    def add_event(self, event: Event) -> None:
        """Adds an event and keeps it as the initial image too."""
        self.initial[event.key] = event
        self.put(event)

    # --- looking at it -------------------------------------------------------------------------

    def event(self, calendar_id: str, event_uid: str) -> Event:
        """The true state of an event, all due writes applied; KeyError if there never was one."""
        self.settle()
        return self.events[calendar_id, event_uid]

    def busiest(self, window_s: float, *, refused: bool = False) -> int:
        """The most weight that counted in any sliding window; `refused` adds the 429 ones."""
        limiter = self.limiter
        arrivals = sorted(limiter.granted + limiter.refused) if refused else limiter.granted
        return windows.busiest(arrivals, window_s)

    @property
    def pending(self) -> int:
        """How many accepted writes have not taken yet, buffered ones included."""
        return len(self._waiting)

    # --- people, and the control API ----------------------------------------------------------

    def behave(self, **changes: Any) -> None:
        """Changes switches while the simulator runs."""
        self.behaviour = changed_behaviour(self.behaviour, changes)

    def edit_as_user(self, calendar_id: str, event_uid: str, **fields: Any) -> Event:
        """A person changes their event: at once, with a change notification [row 20]."""
        before = self.event(calendar_id, event_uid)
        after = msgspec.structs.replace(before, **_typed(fields), updated=utc(self.clock()))
        self.put(after)
        self.meddled.append(after.key)
        self.notify(after)
        return after

    def delete_as_user(self, calendar_id: str, event_uid: str) -> Event:
        """A person deletes their event at the provider."""
        return self.edit_as_user(calendar_id, event_uid, deleted=True)

    def notify(self, event: Event) -> None:
        """Queues a change notification for every channel that covers an event."""
        sub = self.calendars[event.calendar_id].sub
        for channel in self.channels.values():
            wanted = channel.calendar_ids is None or event.calendar_id in channel.calendar_ids
            if channel.sub == sub and wanted and (event.event_id or not channel.only_managed):
                self.post_notice(
                    Notice(channel=channel, kind="change", changes_since=event.updated)
                )

    def post_notice(self, notice: Notice) -> None:
        """Queues a callback and wakes whoever delivers."""
        self.outbox.append(notice)
        self.wake()

    # --- writes that wait ---------------------------------------------------------------------

    def schedule(self, key: Key, effect: Effect, *, late_s: float = 0.0) -> None:
        """Lets an accepted write take after the lag, or when its profile is back."""
        profile = self.profile_of(key[0])
        if not profile.connected:
            self._waiting.hold(profile.profile_id, key, effect)
            return
        low, high = self.behaviour.lag_s, self.behaviour.lag_max_s
        lag = low if high is None else self.rng.uniform(low, max(low, high))
        self._waiting.add(key, effect, self.clock() + lag + late_s)

    def release(self, profile_id: str) -> None:
        """Lets the writes take that were buffered while a profile was disconnected."""
        for due in self._waiting.let_go(profile_id):
            self.schedule(due.key, due.effect)

    def settle(self, *, all_of_them: bool = False) -> None:
        """Applies every write that is due; with `all_of_them`, those of the future too."""
        now = self.clock()
        for due in self._waiting.take_due(math.inf if all_of_them else now):
            after = due.effect(self.events.get(due.key), min(due.at, now))
            if after is not None:
                self.put(after)

    def put(self, event: Event) -> None:
        """Makes an event's new state the latest one."""
        self.diaries[event.calendar_id].put(self.events.get(event.key), event)
        self.events[event.key] = event

    # --- small questions that routes share ----------------------------------------------------

    def profile_of(self, calendar_id: str) -> Profile:
        """The profile that a calendar belongs to."""
        calendar = self.calendars[calendar_id]
        return self.accounts[calendar.sub].profiles[calendar.profile_id]

    def calendars_of(self, sub: str) -> Iterable[Calendar]:
        """The calendars of an account, in the order in which they were added."""
        return (self.calendars[each] for each in self.accounts[sub].calendar_ids)

    def token(self, length: int = 32) -> str:
        """A new opaque token."""
        return f"{self.rng.getrandbits(length * 4):0{length}x}"

    def note_write(self, record: WriteRecord) -> None:
        """Remembers a write."""
        self.writes.append(record)
        self.journal.note(record)

    def note_request(self, record: RequestRecord) -> None:
        """Remembers a request."""
        self.requests.append(record)
        self.journal.note(record)


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a person's edit as an `Event` holds them; texts of times and places are read."""
    typed = dict(fields)
    for name in ("start", "end"):
        if name in typed:
            typed[name] = moment_of(typed[name])
    if isinstance(typed.get("location"), str | dict):
        place = typed["location"]
        typed["location"] = Location(place) if isinstance(place, str) else Location(**place)
    _refuse_unknown(typed)
    return typed


def _refuse_unknown(fields: dict[str, Any]) -> None:
    unknown = sorted(
        set(fields) - set(Event.__struct_fields__) | ({"calendar_id", "event_uid"} & set(fields))
    )
    if unknown:
        raise ValueError(
            f"no such field of an event that a person can change: {', '.join(unknown)}"
        )


def now_utc(sim: Simulator) -> datetime:
    """The simulator's time."""
    return datetime.fromtimestamp(sim.clock(), UTC)
