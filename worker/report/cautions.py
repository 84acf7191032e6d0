"""What somebody should look at twice before a change is made, and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from worker.model import Image, Policy, Timed
from worker.report.spans import KEPT, clock_of
from worker.rules import find_zone
from worker.store import Outcome

#: characters of a description from which on the API does not take it (cronofy-api §4.1)
LONGEST_DESCRIPTION: Final = 4096
#: people who take part in an event from which on it is worth a second look
MANY: Final = 50

CLOCKS, TWICE, SKIPPED, CONFERENCE, LONG, PAST, INTO_PAST, GUESTS = (
    "clocks_change", "time_twice", "time_skipped", "conference_link", "long_description",
    "past_event", "into_the_past", "many_guests",
)  # fmt: skip

#: A sentence for each.
CAUTION_HELP: Final = {
    CLOCKS: "The clocks change between the old time and the new one; both offsets are shown.",
    TWICE: "The new time comes twice on its day, since the clocks go back; the offset tells which.",
    SKIPPED: "The new time is beside one that the clocks skip on its day, and may stand for it.",
    CONFERENCE: "The event has a conference link, which some providers change with any edit.",
    LONG: "The description is longer than the API takes. It is not sent, and should stay as it is.",
    PAST: "The event has ended already; its guests may get mail all the same.",
    INTO_PAST: "The new time had passed already when the change was planned.",
    GUESTS: f"{MANY} people or more take part, and may all get mail.",
}


def cautions_of(outcome: Outcome, *, policy: Policy, at: datetime) -> Iterator[str]:
    """Yield the names of what is to be looked at in a change; none without a change.

    `at` is when it was planned, so that a report says the same tomorrow.
    """
    before, target = outcome.before, outcome.target
    if before is None or target is None:
        return
    yield from _of_clocks(before, target, policy=policy)
    if before.conference:
        yield CONFERENCE
    if len(before.description) > LONGEST_DESCRIPTION:
        yield LONG
    if _has_ended(before, at):
        yield PAST
    elif _has_ended(target, at):
        yield INTO_PAST
    if (outcome.people or 0) >= MANY:
        yield GUESTS


def crosses_clocks(before: Image, target: Image) -> bool:
    """Tell whether the clocks of an event's zone show another offset after a change of its time."""
    old, new = before.when, target.when
    if not (isinstance(old, Timed) and isinstance(new, Timed)):
        return False
    if (old.start_tzid, old.end_tzid) != (new.start_tzid, new.end_tzid):
        return False
    pairs = ((old.start, new.start, old.start_tzid), (old.end, new.end, old.end_tzid))
    return any(clock_of(a, tzid).offset != clock_of(b, tzid).offset for a, b, tzid in pairs)


def comes_twice(image: Image) -> bool:
    """Tell whether the wall clock shows an end of an event twice on its day."""
    readings = (_readings(local, tzid) for _, local, tzid in _ends(image))
    return any(first < second for first, second in readings)


def _of_clocks(before: Image, target: Image, *, policy: Policy) -> Iterator[str]:
    if before.when == target.when:
        return
    if crosses_clocks(before, target):
        yield CLOCKS
    if comes_twice(target):
        yield TWICE
    if policy.dst_gap != "refuse" and _stands_beside_a_gap(target):
        yield SKIPPED


def _ends(image: Image) -> Iterator[tuple[datetime, datetime, str]]:
    """Yield the instant, the wall clock and the zone of both ends; none of whole days."""
    when = image.when
    if isinstance(when, Timed):
        for instant, tzid in ((when.start, when.start_tzid), (when.end, when.end_tzid)):
            if find_zone(tzid) is not None:
                yield instant, clock_of(instant, tzid).local, tzid


@lru_cache(maxsize=KEPT)
def _readings(local: datetime, tzid: str) -> tuple[datetime, datetime]:
    """Return the two instants that a wall clock may mean: by the offset before a change, after it.

    They are one and the same on most days, in order where a time comes twice, and not in order
    where it is skipped (PEP 495).
    """
    zone = find_zone(tzid)
    try:
        first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        first = second = local.replace(tzinfo=UTC)
    return first, second


def _stands_beside_a_gap(image: Image) -> bool:
    """Tell whether an end is one of the two instants that a skipped time may be put to."""
    return any(
        instant in readings
        for instant, local, tzid in _ends(image)
        for step in _offset_steps(instant, tzid)
        if (readings := _readings(local + step, tzid))[0] > readings[1]
    )


def _offset_steps(instant: datetime, tzid: str) -> Iterator[timedelta]:
    """Yield what a change of the clocks within a day would have added to a wall clock."""
    now = clock_of(instant, tzid).offset
    for away in (timedelta(days=-1), timedelta(days=1)):
        try:
            change = clock_of(instant + away, tzid).offset - now
        except OverflowError:
            continue
        if change:
            yield change


def _has_ended(image: Image, at: datetime) -> bool:
    when = image.when
    if isinstance(when, Timed):
        return when.end <= at
    # It has ended for certain when it has in the farthest west.
    return datetime.combine(when.end, datetime.min.time(), UTC) + timedelta(hours=12) <= at
