"""Generates people's calendars in several zones: the same seed gives the same world."""

import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import cycle, islice
from typing import Any
from zoneinfo import ZoneInfo

from worker.simulator.seeds import texts
from worker.simulator.simulator import Simulator
from worker.simulator.values import (
    SANDBOX,
    Account,
    Attendee,
    Calendar,
    Event,
    Location,
    Options,
    Person,
    Profile,
)

ZONES = (
    "Europe/Paris", "America/New_York", "Asia/Kolkata", "Europe/London", "Australia/Sydney",
    "America/Los_Angeles", "Asia/Tokyo", "America/Sao_Paulo",
)  # fmt: skip
PROVIDERS = (
    ("google", "gsuite"), ("live_connect", "office365"), ("exchange", "exchange"),
    ("apple", "icloud"),
)  # fmt: skip
#: Kinds of events and their share in percent.
KINDS = {
    "timed": 80, "all_day": 4, "recurring": 5, "locked": 3, "managed": 2, "deleted": 1,
    "private": 3, "dst": 2,
}  # fmt: skip
#: From this many events on, an account has one hostile summary and one endless description too.
FULL_SET = 10
#: Days from today in which generated events lie: inside -42/+201 even when moved by a week.
FIRST_DAY, NEAR_DAY, LAST_DAY = -30, 60, 185
#: Occurrences of one series.
SERIES = 4
EXTRA_CALENDARS = ("Team", "Read-only", "Sandbox", "Deleted")


def seed_people(sim: Simulator, *, accounts: int, events: int, seed: int, today: date) -> None:
    """Adds accounts with two or three calendars each and `events` events an account."""
    for number in range(accounts):
        rng = random.Random(f"{seed}/{number}")  # noqa: S311  # reproducible, not secret
        _Maker(sim, rng, number=number, today=today).make(events)


class _Maker:
    """Makes one person: account, profiles, calendars, events."""

    def __init__(self, sim: Simulator, rng: random.Random, *, number: int, today: date) -> None:
        self._sim = sim
        self._rng = rng
        self._number = number
        self._today = today
        self._tzid = ZONES[number % len(ZONES)]
        self._zone = ZoneInfo(self._tzid)
        self._name = texts.name(rng)
        self._email = texts.email(f"{self._name} {number}", "example.com")
        self._colleagues = tuple(self._colleague() for _ in range(6))
        # Mostly the primary calendar: what a campaign is about.
        self._calendars: list[str] = []
        self._series: tuple[str, date] | None = None
        self._left_in_series = 0

    def make(self, events: int) -> None:
        """Adds the person with that many events."""
        self._sim.add_account(self._account())
        self._add_calendars()
        specials = [self._hostile, self._endless] if events >= FULL_SET else []
        kinds = self._rng.choices(list(KINDS), list(KINDS.values()), k=events - len(specials))
        for kind in kinds:
            self._add(**getattr(self, f"_{kind}")())
        for special in specials:
            self._add(**special())

    # --- who -----------------------------------------------------------------------------------

    def _account(self) -> Account:
        first, second = islice(cycle(PROVIDERS), self._number % 4, self._number % 4 + 2)
        # Every third person has a second provider: one may be disconnected while the other works.
        used = (first, second) if self._number % 3 == 0 else (first,)
        profiles = [self._profile(*provider) for provider in used]
        return Account(
            sub=self._id("acc"),
            email=self._email,
            name=self._name,
            tzid=self._tzid,
            label=f"{self._name} ({self._tzid})",
            access_token=self._hex(32),
            refresh_token=self._hex(32),
            profiles={each.profile_id: each for each in profiles},
        )

    def _profile(self, provider_name: str, provider_service: str) -> Profile:
        return Profile(
            profile_id=self._id("pro"),
            profile_name=self._email,
            provider_name=provider_name,
            provider_service=provider_service,
        )

    def _add_calendars(self) -> None:
        account = self._sim.accounts[next(reversed(self._sim.accounts))]
        profile_ids = list(account.profiles)
        extras = self._rng.sample(EXTRA_CALENDARS, k=self._rng.choice((1, 1, 2)))
        for at, name in enumerate(("Primary", *extras)):
            calendar = Calendar(
                calendar_id=f"cal_{self._hex(12)}_{self._hex(12)}",
                calendar_name=name if at else self._email,
                sub=account.sub,
                profile_id=profile_ids[-1] if at == 1 else profile_ids[0],
                primary=at == 0,
                readonly=name == "Read-only",
                deleted=name == "Deleted",
            )
            if name == "Sandbox":
                calendar.permission_level = SANDBOX
            self._sim.add_calendar(calendar)
            self._calendars.append(calendar.calendar_id)

    def _colleague(self) -> Person:
        name = texts.name(self._rng)
        domain = self._rng.choice(("example.com", "example.com", "example.org"))
        return Person(texts.email(name, domain), name)

    # --- what ----------------------------------------------------------------------------------

    def _add(self, **fields: Any) -> None:
        """Adds an event from the fields that its kind sets; the rest is ordinary."""
        made = datetime.combine(self._today, time(9), UTC) - timedelta(
            days=self._rng.randint(43, 90)
        )
        weights = (90, *(10 / (len(self._calendars) - 1),) * (len(self._calendars) - 1))
        ordinary: dict[str, Any] = {
            "calendar_id": self._rng.choices(self._calendars, weights)[0],
            "event_uid": self._id("evt_external"),
            "summary": texts.phrase(self._rng, texts.MEETINGS),
            "description": texts.phrase(self._rng, texts.NOTES),
            "start_tzid": self._tzid,
            "end_tzid": self._tzid,
            "created": made,
            "updated": made,
            "organizer": self._rng.choice((Person(self._email, self._name), *self._colleagues)),
            "attendees": self._invited(),
            "participation_status": self._rng.choice(
                ("accepted", "accepted", "tentative", "unknown")
            ),
            "transparency": self._rng.choice(("opaque",) * 8 + ("transparent", "unknown")),
        }
        if self._rng.random() < 0.5:  # noqa: PLR2004
            place = texts.phrase(self._rng, texts.PLACES)
            ordinary["location"] = Location(place, lat="48.8566", long="2.3522")
        self._sim.add_event(Event(**(ordinary | fields)))

    def _invited(self) -> tuple[Attendee, ...]:
        people = self._rng.sample(self._colleagues, k=self._rng.randint(0, 4))
        answers = ("needs_action", "accepted", "declined", "tentative")
        return tuple(
            Attendee(each.email, each.display_name, self._rng.choice(answers)) for each in people
        )

    def _day(self) -> date:
        """Mostly within the next two months, some before today, some far ahead."""
        first, last = self._rng.choices(
            ((1, NEAR_DAY), (FIRST_DAY, 0), (NEAR_DAY, LAST_DAY)), (70, 10, 20)
        )[0]
        return self._today + timedelta(days=self._rng.randint(first, last))

    def _at(self, day: date, hour: int, minute: int, minutes: int) -> dict[str, Any]:
        """Start and end by the wall clock of the person's zone."""
        start = datetime.combine(day, time(hour, minute), self._zone).astimezone(UTC)
        return {"start": start, "end": start + timedelta(minutes=minutes)}

    def _timed(self) -> dict[str, Any]:
        hour, minute = self._rng.randint(8, 17), self._rng.choice((0, 0, 15, 30, 45))
        return self._at(self._day(), hour, minute, self._rng.choice((15, 30, 30, 45, 60, 60, 90)))

    def _all_day(self) -> dict[str, Any]:
        day = self._day()
        end = day + timedelta(days=self._rng.choice((1, 1, 1, 2, 5)))
        summary = texts.phrase(self._rng, texts.ALL_DAY)
        return {"start": day, "end": end, "summary": summary, "transparency": "transparent"}

    def _recurring(self) -> dict[str, Any]:
        """An occurrence of a weekly series; four in a row belong together."""
        if not self._left_in_series or self._series is None:
            first = self._today + timedelta(days=self._rng.randint(-20, NEAR_DAY))
            self._series = (self._hex(24), first)
            self._left_in_series = SERIES
        series, first = self._series
        day = first + timedelta(weeks=SERIES - self._left_in_series)
        self._left_in_series -= 1
        return self._at(day, 10, 0, 30) | {
            "summary": "Weekly sync",
            "recurring": True,
            "series_identifier": series,
            "options": Options(delete=False, update=False),
        }

    def _locked(self) -> dict[str, Any]:
        """Somebody else's event: the organizer owns the time [§5.1]."""
        options = Options(delete=True, update=False)
        return self._timed() | {"options": options, "organizer": self._rng.choice(self._colleagues)}

    def _managed(self) -> dict[str, Any]:
        return self._timed() | {
            "event_id": f"own-{self._hex(8)}",
            "summary": "Made by the application",
        }

    def _deleted(self) -> dict[str, Any]:
        return self._timed() | {"deleted": True}

    def _private(self) -> dict[str, Any]:
        return self._timed() | {"event_private": True, "summary": "Private"}

    def _dst(self) -> dict[str, Any]:
        """An event of the night or morning on which the clocks change, where they do in reach."""
        first = self._today + timedelta(days=1)
        days = transitions(self._tzid, first, self._today + timedelta(days=LAST_DAY))
        if not days:
            return self._timed()
        hour, minute = self._rng.choice(((0, 30), (1, 15), (1, 30), (9, 0), (23, 30)))
        day = self._rng.choice(days) - timedelta(days=self._rng.choice((0, 0, 1)))
        return self._at(day, hour, minute, 60) | {"summary": "Night of the clocks"}

    def _hostile(self) -> dict[str, Any]:
        return self._timed() | {"summary": texts.HOSTILE[self._number % len(texts.HOSTILE)]}

    def _endless(self) -> dict[str, Any]:
        return self._timed() | {"summary": "Minutes", "description": texts.LONG_NOTE}

    def _hex(self, length: int) -> str:
        return f"{self._rng.getrandbits(length * 4):0{length}x}"

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._hex(24)}"


def transitions(tzid: str, first: date, last: date) -> list[date]:
    """Days in [first, last) on which a zone's clocks change."""
    zone = ZoneInfo(tzid)
    days = ((first + timedelta(days=each)) for each in range((last - first).days))
    return [day for day in days if _offset(day, zone) != _offset(day + timedelta(days=1), zone)]


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(), zone).utcoffset()
