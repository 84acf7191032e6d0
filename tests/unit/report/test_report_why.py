"""The story of one event, and that nothing in it is obeyed by a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.builders import an_image, timed
from tests.unit.report.campaigns import PARIS, End, a_campaign, a_store, uid
from worker.model import Code, EditState
from worker.report import Chapter, chapter, told
from worker.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def story(store: Store, event_uid: str) -> list[Chapter]:
    """Return the chapters of an event, as the command makes them."""
    audit = store.audit.of_event(event_uid)
    return [
        chapter(each, store.campaigns.get(each.campaign_id), audit)
        for each in store.reading.of_event(event_uid)
    ]


def test_a_story_tells_what_was_asked_what_changed_and_how_it_ended(store: Store) -> None:
    """Support answers "why was my meeting moved" from this alone."""
    a_campaign(store, [End(state=EditState.VERIFIED, code=Code.VERIFIED, ref="crm-991")])
    (found,) = story(store, uid(2))
    text = "\n".join(told(found))
    assert "campaign c_1  key-c_1  (New office hours)" in text
    assert "asked      line 2 of edits.csv, by somebody" in text
    assert "shift = PT1H" in text
    before, after = "2026-06-02T09:00:00+02:00", "2026-06-02T10:00:00+02:00"
    assert f"change     start: {before} {PARIS} → {after} {PARIS}" in text
    assert "1 attempt, answered 202" in text
    assert "outcome    verified The edit was accepted, and a later read showed it." in text
    assert text.count("about to change") == text.count("accepted by the API") == 1


def test_an_edit_that_was_never_sent_says_so(store: Store) -> None:
    """Whoever sees a changed event wants to know that it was not us."""
    a_campaign(store, [End(state=EditState.SKIPPED, code=Code.RECURRING)])
    (found,) = story(store, uid(2))
    text = "\n".join(told(found))
    assert "sent       never" in text
    assert "outcome    skipped (recurring) The event is part of a series" in text


def test_entries_of_other_edits_are_not_told(store: Store) -> None:
    """Each chapter has the audit of its own line only."""
    a_campaign(store, [End(state=EditState.VERIFIED), End(state=EditState.FAILED)])
    (found,) = story(store, uid(3))
    assert [entry.action for entry in found.entries] == ["edit.failed"]


def test_every_campaign_of_the_event_is_a_chapter(store: Store) -> None:
    """An event may have been moved there and back."""
    a_campaign(store, [End(state=EditState.VERIFIED)], name="c_1")
    a_campaign(store, [End(state=EditState.FAILED, code=Code.UPSTREAM)], name="c_2")
    assert [each.campaign for each in story(store, uid(2))] == ["c_1", "c_2"]


def test_escapes_in_titles_are_shown_not_obeyed(store: Store) -> None:
    """C19: a title may hold what moves the cursor, retitles the window or turns text around."""
    bad = "\x1b]0;owned\x07\u202e"
    before = an_image(timed(), summary=f"old {bad}")
    target = an_image(timed(), summary=f"new {bad}")
    end = End(state=EditState.VERIFIED, before=before, target=target, summary=f"new {bad}")
    a_campaign(store, [end], reason=bad)
    (found,) = story(store, uid(2))
    lines = list(told(found))
    assert all(line.isprintable() for line in lines)
    assert any("summary: old \\x1b]0;owned\\x07\\u202e → new \\x1b" in line for line in lines)


def test_long_texts_are_cut_and_cleared_ones_visible(store: Store) -> None:
    """A description of four thousand characters does not fill the screen; "" is not invisible."""
    before = an_image(timed(), description="x" * 4000)
    target = an_image(timed(), description="")
    a_campaign(store, [End(state=EditState.VERIFIED, before=before, target=target)])
    (found,) = story(store, uid(2))
    line = next(line for line in told(found) if "description" in line)
    assert line.endswith('… → ""')
    assert len(line) < 100


def test_a_story_is_json_too(store: Store) -> None:
    """The object has at least what the text has."""
    a_campaign(store, [End(state=EditState.VERIFIED, code=Code.VERIFIED)])
    (found,) = json.loads(msgspec.json.encode(story(store, uid(2))))
    assert found["status"] == found["code"] == "verified"
    assert found["asked"] == {"shift": "PT1H"}
    assert [entry["action"] for entry in found["entries"]][-1] == "edit.verified"
