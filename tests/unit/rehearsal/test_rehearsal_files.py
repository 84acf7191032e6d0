"""Files stand for accounts: what they say is kept, what they do not say is made up and told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from worker.errors import InvalidInput
from worker.rehearsal import Naming, Source, copy_files, open_book
from worker.simulator import Simulator
from worker.simulator.seeds import seed_world

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
X-WR-CALNAME:ann@acme.com
X-WR-TIMEZONE:Europe/Paris
BEGIN:VEVENT
UID:one@acme.com
DTSTART;TZID=Europe/Paris:20260602T110000
DURATION:PT1H
SUMMARY:First
ORGANIZER;CN=Ann:MAILTO:Ann@acme.com
ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:Bob@elsewhere.org
CLASS:PRIVATE
CREATED:20260101T090000Z
X-GOOGLE-CONFERENCE:https://meet.example/1
END:VEVENT
BEGIN:VEVENT
UID:one@acme.com
DTSTART:20260603T090000Z
DTEND:20260603T100000Z
SUMMARY:Of the same UID
END:VEVENT
BEGIN:VEVENT
UID:old@acme.com
DTSTART:20200103T090000Z
DTEND:20200103T100000Z
SUMMARY:Long ago
END:VEVENT
BEGIN:VEVENT
UID:weekly@acme.com
DTSTART:20240101T090000Z
DTEND:20240101T093000Z
RRULE:FREQ=WEEKLY;UNTIL=20260615T235959Z
SUMMARY:Weekly
END:VEVENT
BEGIN:VEVENT
UID:off, and odd
DTSTART;VALUE=DATE:20260608
SUMMARY:Called off
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR
"""


def a_raw_event(number: int, **fields: Any) -> dict[str, Any]:
    """Return an event of a saved answer."""
    ordinary = {
        "calendar_id": "cal_work",
        "event_uid": f"evt_external_{number}",
        "summary": f"Meeting {number}",
        "start": "2026-06-02T09:00:00Z",
        "end": "2026-06-02T10:00:00Z",
        "options": {"update": True},
    }
    return ordinary | fields


class Copies:
    """Copies files into a folder, and opens what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path

    def of(self, *paths: Path, **naming: Any) -> tuple[Simulator, list[Source]]:
        copy = self.folder / "copy.jsonl"
        with open_book(copy) as book:
            sources = copy_files(paths, book, naming=Naming(**naming), now=NOW)
        assert copy.stat().st_mode & 0o077 == 0
        sim = Simulator()
        seed_world(sim, copy)
        assert len(sim.events) == book.copied.events
        return sim, sources


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path)


def test_an_ics_file_stays_on_its_days_and_under_its_uids(copies: Copies) -> None:
    """Files of edits name its events by them; who takes part is kept."""
    sim, [source] = copies.of(copies.file("Ann's.ics", ICS))
    assert (source.account, source.calendars) == ("acc_ann_s", ("cal_ann_s",))
    events = {uid: event for (_, uid), event in sim.events.items()}
    first = events["one@acme.com"]
    assert (first.start, first.start_tzid) == (datetime(2026, 6, 2, 9, tzinfo=UTC), "Europe/Paris")
    assert first.organizer
    assert first.organizer.email == "ann@acme.com"
    assert [(each.email, each.status) for each in first.attendees] == [
        ("bob@elsewhere.org", "accepted")
    ]
    assert (first.event_private, first.meeting_url) == (True, "https://meet.example/1")
    assert first.created == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert events["one@acme.com@20260603T090000Z"].summary == "Of the same UID"
    assert events["off__and_odd"].deleted
    weekly = [event for uid, event in events.items() if uid.startswith("weekly")]
    # From 42 days before the first of June to the fifteenth.
    assert len(weekly) == 9
    assert all(each.recurring and not each.options.update for each in weekly)
    assert (source.events, source.hidden) == (12, 1)
    assert source.first == date(2026, 4, 20)
    assert sim.accounts["acc_ann_s"].email == "ann@acme.com"
    assert sim.calendars["cal_ann_s"].primary


def test_files_are_named_as_the_campaign_names_accounts(copies: Copies) -> None:
    """In their order; what is left over is named after its file."""
    paths = [copies.file(f"{name}.ics", ICS) for name in ("a", "b", "c")]
    sim, sources = copies.of(*paths, subs=["acc_1", "acc_2"], label="paris")
    assert [each.account for each in sources] == ["acc_1", "acc_2", "acc_c"]
    assert {each.label for each in sim.accounts.values()} == {"paris"}


def test_the_one_calendar_that_is_meant_is_what_an_ics_file_is(copies: Copies) -> None:
    """So that files of edits for the real calendar can be rehearsed on its export."""
    _, [source] = copies.of(copies.file("a.ics", ICS), calendars=["cal_real"])
    assert source.calendars == ("cal_real",)


PAGE = {"pages": {"current": 1, "total": 2}, "events": [a_raw_event(1), a_raw_event(2)]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"events": [a_raw_event(1), a_raw_event(2), a_raw_event(3)]}),
        json.dumps([PAGE, {"events": [a_raw_event(2), a_raw_event(3)]}]),
        "\n".join(json.dumps(a_raw_event(number)) for number in (1, 2, 3)),
        f"{json.dumps(PAGE)}\n\n{json.dumps({'events': [a_raw_event(3)]})}\n",
        json.dumps([a_raw_event(number) for number in (1, 2, 3)]),
    ],
    ids=["one page", "pages", "lines of events", "lines of pages", "events"],
)
def test_saved_answers_come_in_several_forms(text: str, copies: Copies) -> None:
    """As a script has saved them; what comes twice counts once."""
    sim, [source] = copies.of(copies.file("events.json", text), subs=["acc_1"])
    assert source.events == len(sim.events) == 3
    assert source.made_up == (
        "1 of its calendars is taken for one to be edited without restriction",
        "cal_work is taken for the primary calendar",
    )
    assert sim.calendars["cal_work"].permission_level == "unrestricted"


def test_saved_calendars_are_believed(copies: Copies) -> None:
    """Beside events, an answer of List Calendars tells what may be edited."""
    told = {"calendar_id": "cal_work", "calendar_readonly": True, "calendar_primary": True}
    text = json.dumps([{"calendars": [told]}, PAGE])
    sim, [source] = copies.of(copies.file("events.json", text))
    assert sim.calendars["cal_work"].readonly
    assert source.made_up == ()


def test_what_cannot_be_used_is_counted(copies: Copies) -> None:
    """Nothing is left out silently."""
    events = [a_raw_event(1), a_raw_event(2, event_uid=""), a_raw_event(3, start=None)]
    late = a_raw_event(4, start="2027-06-02", end="2027-06-03")
    _, [source] = copies.of(copies.file("events.json", json.dumps([*events, late])))
    assert (source.events, source.unusable, source.hidden) == (1, 2, 1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "BEGIN", "neither JSON nor JSON lines"),
        ("a.json", '{"events": []}', "no answer of Read Events"),
        ("a.json", "7", "no answer of Read Events"),
        ("a.ics", "hello", "not an iCalendar file"),
        ("a.ics", "", "not an iCalendar file"),
    ],
)
def test_a_file_that_is_none_is_refused(name: str, text: str, message: str, copies: Copies) -> None:
    """By name, and without a word of what it holds."""
    with pytest.raises(InvalidInput) as refused:
        copies.of(copies.file(name, text))
    [problem] = refused.value.problems
    assert problem.value == name
    assert message in problem.message


def test_a_file_that_is_not_there_is_refused(copies: Copies) -> None:
    """A mistyped name is the usual fault."""
    with pytest.raises(InvalidInput) as refused:
        copies.of(copies.folder / "nothing.ics")
    assert "cannot be read" in str(refused.value.problems[0])


def test_two_files_do_not_stand_for_the_same(copies: Copies) -> None:
    """One would take the other's place."""
    path = copies.file("a.json", json.dumps(PAGE))
    with pytest.raises(InvalidInput, match="problem") as refused:
        copies.of(path, path, subs=["acc_1", "acc_2"])
    assert "a.json has calendar cal_work already" in str(refused.value.problems[0])
    with pytest.raises(InvalidInput) as refused:
        copies.of(path, path)
    assert "stands for account acc_a already" in str(refused.value.problems[0])
