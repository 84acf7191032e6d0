"""Judges writes, alone or in a batch: create, update, delete, participation [§4, §5]."""

import hashlib
from typing import Any, Literal

from msgspec import Struct

from worker.simulator import effects
from worker.simulator.acts import Drop, Late, Reply, UserEdit
from worker.simulator.answers import (
    ACCEPTED,
    LOCKED,
    NOT_FOUND,
    Answer,
    Problems,
    Refusal,
    coded,
    not_permitted,
    unprocessable,
)
from worker.simulator.bodies import Wish, read_wish
from worker.simulator.faults import Fault
from worker.simulator.records import WriteRecord
from worker.simulator.simulator import Simulator
from worker.simulator.values import UNRESTRICTED, Calendar, Event, Key
from worker.simulator.waiting import Effect

Action = Literal["edit", "delete", "participation"]
EXTERNAL_UID = "evt_external_"
_UID_DIGITS = 24
_ANSWERS = ("accepted", "tentative", "declined")


class Write(Struct, frozen=True, kw_only=True):
    """One write as it arrived."""

    sub: str
    scope: str
    calendar_id: str
    body: dict[str, Any]
    action: Action = "edit"
    via: Literal["single", "batch"] = "single"
    #: Participation only: its path names the event.
    event_uid: str | None = None
    #: A fault that touches this write.
    fault: Fault | None = None

    @property
    def target(self) -> str | None:
        """The uid that the write is about, or the application's own key."""
        return self.event_uid or self.body.get("event_uid") or self.body.get("event_id")


class Verdict(Struct, frozen=True):
    """What happens to a write: an effect on a key, or None = accepted without effect."""

    key: Key | None = None
    effect: Effect | None = None


def submit(sim: Simulator, write: Write) -> Answer:
    """Judges a write, schedules its effect, remembers it, and gives its answer [row 1]."""
    act = write.fault.act if write.fault else None
    if isinstance(act, Reply) and not act.taken:
        answer, taken = replied(act), False
    else:
        answer, taken = _judge(sim, write)
        if isinstance(act, Reply):
            answer = replied(act)
    _remember(sim, write, status=answer.status, taken=taken)
    return answer


def replied(act: Reply) -> Answer:
    """The answer of a scripted reply."""
    headers = dict(act.headers)
    if act.retry_after is not None:
        headers["Retry-After"] = str(act.retry_after)
    return Answer(act.status, act.json if act.body is None else act.body, headers)


def play_user_edit(sim: Simulator, act: UserEdit, target: Key | None) -> None:
    """A person meddles, as a fault says; an event that never was is left alone."""
    calendar_id, event_uid = target or ("", "")
    key = (act.calendar_id or calendar_id, act.event_uid or event_uid)
    if key not in sim.events:
        return
    if act.delete:
        sim.delete_as_user(*key)
    else:
        sim.edit_as_user(*key, **act.fields)


def _judge(sim: Simulator, write: Write) -> tuple[Answer, bool]:
    meddling = write.fault.act if write.fault and isinstance(write.fault.act, UserEdit) else None
    target = (write.calendar_id, write.target or "")
    if meddling and not meddling.after:
        play_user_edit(sim, meddling, target)
    try:
        verdict = _verdict(sim, write)
    except Refusal as refusal:
        return refusal.answer(), False
    taken = _schedule(sim, write, verdict)
    if meddling and meddling.after:
        play_user_edit(sim, meddling, target)
    return Answer(ACCEPTED), taken


def _schedule(sim: Simulator, write: Write, verdict: Verdict) -> bool:
    if verdict.key is None or verdict.effect is None:
        return False
    act = write.fault.act if write.fault else None
    if isinstance(act, Drop) or (
        sim.behaviour.dropped and sim.rng.random() < sim.behaviour.dropped
    ):
        return False
    late_s = act.seconds if isinstance(act, Late) else 0.0
    sim.schedule(verdict.key, verdict.effect, late_s=late_s)
    return True


def _verdict(sim: Simulator, write: Write) -> Verdict:
    sim.settle()
    calendar = _calendar(sim, write)
    if write.action == "participation":
        return _participation(sim, write)
    if write.action == "delete":
        return _delete(sim, write, calendar)
    event_id = write.body.get("event_id")
    if event_id is not None:
        return _upsert(sim, write, str(event_id))
    return _edit(sim, write, calendar)


def _calendar(sim: Simulator, write: Write) -> Calendar:
    """The calendar, if it may be written to at all [§5.2]; somebody else's is unknown."""
    scopes = {
        "edit": "create_event",
        "delete": "delete_event",
        "participation": "change_participation_status",
    }
    if scopes[write.action] not in write.scope.split():
        raise not_permitted(f"scope {scopes[write.action]} is missing")
    calendar = sim.calendars.get(write.calendar_id)
    if calendar is None or calendar.sub != write.sub:
        raise Refusal(NOT_FOUND)
    if calendar.deleted:
        code = sim.behaviour.deleted_calendar_code
        raise coded(code, "calendar_id", "errors.calendar_deleted", "the calendar was deleted")
    if calendar.readonly:
        code = sim.behaviour.read_only_code
        raise coded(code, "calendar_id", "errors.calendar_readonly", "the calendar is read-only")
    connected = sim.profile_of(calendar.calendar_id).connected
    if not connected and sim.behaviour.disconnected_code == LOCKED:
        raise Refusal(LOCKED)
    return calendar


def _upsert(sim: Simulator, write: Write, event_id: str) -> Verdict:
    """event_id makes a managed event, and a uid beside it is ignored [§5.1, row 8]."""
    wish = read_wish(write.body)
    known = (sim.events[write.calendar_id, uid] for uid in sim.diaries[write.calendar_id].managed)
    uid = next((event.event_uid for event in known if event.event_id == event_id), None)
    key = (write.calendar_id, uid or _managed_uid(write.calendar_id, event_id))

    def take(event: Event | None, at: float) -> Event:
        if event is None or event.deleted:
            return effects.created(key, event_id, wish, sim.behaviour, at)
        return effects.edited(event, wish, sim.behaviour, at)

    return Verdict(key, take)


def _edit(sim: Simulator, write: Write, calendar: Calendar) -> Verdict:
    if write.body.get("event_uid") in (None, ""):
        problems = Problems()
        problems.add("event_id", "errors.required", "event_id or event_uid must be specified")
        problems.raise_any()
    wish = read_wish(write.body)
    event = _external(sim, write, calendar)
    if event is None:
        return Verdict()
    return Verdict(event.key, _edit_effect(sim, wish))


def _edit_effect(sim: Simulator, wish: Wish) -> Effect:
    def take(event: Event | None, at: float) -> Event | None:
        # Deleted by its owner meanwhile: an edit never recreates [§5.1].
        if event is None or event.deleted:
            return None
        return effects.edited(event, wish, sim.behaviour, at)

    return take


def _delete(sim: Simulator, write: Write, calendar: Calendar) -> Verdict:
    """Deletes an external event by event_uid, or a managed one by event_id [§5.3]."""
    event_id = write.body.get("event_id")
    if event_id is None:
        event = _external(sim, write, calendar)
    else:
        known = (
            sim.events[write.calendar_id, uid] for uid in sim.diaries[write.calendar_id].managed
        )
        event = next((each for each in known if each.event_id == event_id), None)
    return Verdict() if event is None else Verdict(event.key, deletion(sim))


def deletion(sim: Simulator) -> Effect:
    """The effect of a deletion."""

    def take(event: Event | None, at: float) -> Event | None:
        return None if event is None or event.deleted else effects.deleted(event, sim.behaviour, at)

    return take


def _participation(sim: Simulator, write: Write) -> Verdict:
    status = write.body.get("status")
    if status not in _ANSWERS:
        raise unprocessable(
            "status", "errors.not_recognized", "status must be accepted, tentative or declined"
        )
    event = sim.events.get((write.calendar_id, write.event_uid or ""))
    if event is None or event.deleted:
        raise Refusal(NOT_FOUND)
    if not event.options.change_participation_status:
        raise unprocessable(
            "event_uid", "errors.event.not_permitted", "participation cannot be changed"
        )

    def take(event: Event | None, at: float) -> Event | None:
        return event and effects.answered(event, str(status), sim.behaviour, at)

    return Verdict(event.key, take)


def _external(sim: Simulator, write: Write, calendar: Calendar) -> Event | None:
    """The external event to change; None = accepted without effect; else a refusal [§5.2]."""
    uid = write.body.get("event_uid")
    event = sim.events.get((write.calendar_id, str(uid)))
    # One that is here is external whatever its uid looks like: it may be a copy from elsewhere.
    is_external = event.event_id is None if event else _is_external_uid(uid)
    if not is_external:
        # A managed event's uid: [unknown]; it is not an external event, so it is refused as such.
        raise unprocessable(
            "event_uid", "errors.must_be_external_event_uid", "must be an external event_uid"
        )
    switches = sim.behaviour
    if calendar.permission_level != UNRESTRICTED:
        return _refused(switches.sandbox_code, "elevated permission is missing")
    if event is None or event.deleted:
        return _refused(switches.gone_code, "there is no such event")
    if event.recurring:
        return _refused(switches.recurring_code, "recurring events cannot be changed")
    if not (event.options.delete if write.action == "delete" else event.options.update):
        return _refused(switches.locked_code, "the event cannot be changed")
    return event


def _refused(code: int, description: str) -> Event | None:
    """Refuses by the code of a switch; 202 accepts, and nothing happens."""
    if code == ACCEPTED:
        return None
    raise coded(code, "event_uid", "errors.event.not_permitted", description)


def _is_external_uid(uid: object) -> bool:
    prefix, digits = str(uid)[: len(EXTERNAL_UID)], str(uid)[len(EXTERNAL_UID) :]
    hexadecimal = len(digits) == _UID_DIGITS and set(digits) <= set("0123456789abcdef")
    return prefix == EXTERNAL_UID and hexadecimal


def _managed_uid(calendar_id: str, event_id: str) -> str:
    """A managed event's uid, of the same form; stable, so that upserts in flight meet."""
    number = _hash_of(f"{calendar_id}/{event_id}")
    return f"{EXTERNAL_UID}{number:024x}"


def _hash_of(text: str) -> int:
    """96 stable bits of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:12])


def _remember(sim: Simulator, write: Write, *, status: int, taken: bool) -> None:
    sim.note_write(
        WriteRecord(
            at=sim.clock(),
            sub=write.sub,
            calendar_id=write.calendar_id,
            event_uid=write.target,
            body=write.body,
            status=status,
            taken=taken,
            via=write.via,
            action=write.action,
        )
    )
