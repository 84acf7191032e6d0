"""The model's tables hold together: arrows, ends, and a sentence for each code."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import all_day, an_event, an_image, timed
from worker.model import (
    ABORT_REASONS,
    CAMPAIGN_TRANSITIONS,
    CODE_HELP,
    ENDED,
    FINAL,
    TRANSITIONS,
    CampaignState,
    ChunkState,
    Code,
    EditState,
    Image,
    Patch,
    Policy,
    Reschedule,
    Shift,
    Timed,
)


def test_every_state_has_its_arrows() -> None:
    """A state without a row would be refused by a KeyError instead of by name."""
    assert set(TRANSITIONS) == set(EditState)
    assert set(CAMPAIGN_TRANSITIONS) == set(CampaignState)


def test_the_final_states_are_those_that_counts_add_up_over() -> None:
    """Law 2 names them; one more or less and the counts would be wrong."""
    names = "verified unverified mismatch unchanged skipped conflict failed not_attempted"
    assert set(FINAL) == set(names.split())
    ends = "completed completed_with_errors cancelled failed expired"
    assert set(ENDED) == set(ends.split())


@pytest.mark.parametrize("table", [TRANSITIONS, CAMPAIGN_TRANSITIONS])
def test_an_end_is_reached_from_everywhere(table: dict[str, frozenset[str]]) -> None:
    """No state is a trap."""
    ends = {state for state, arrows in table.items() if not arrows}
    for state in table:
        reached, front = {state}, {state}
        while front:
            front = {to for one in front for to in table[one]} - reached
            reached |= front
        assert reached & ends


@pytest.mark.parametrize("table", [TRANSITIONS, CAMPAIGN_TRANSITIONS])
def test_no_arrow_leads_back_to_itself(table: dict[str, frozenset[str]]) -> None:
    """Staying is no step."""
    assert all(state not in arrows for state, arrows in table.items())


def test_nothing_is_sent_without_an_intent() -> None:
    """Accepted is reached from sending alone, and sending from pending alone (law 5)."""
    before = {
        state: {was for was, arrows in TRANSITIONS.items() if state in arrows}
        for state in (EditState.SENDING, EditState.ACCEPTED, EditState.MISMATCH)
    }
    assert before == {
        EditState.SENDING: {EditState.PENDING},
        EditState.ACCEPTED: {EditState.SENDING},
        EditState.MISMATCH: {EditState.ACCEPTED},
    }


def test_every_code_has_one_sentence() -> None:
    """It is what a person reads: whole, ended, and without double spaces."""
    assert set(CODE_HELP) == set(Code)
    for code, sentence in CODE_HELP.items():
        assert sentence[0].isupper(), code
        assert sentence.endswith("."), code
        assert sentence == sentence.strip(), code
        assert "  " not in sentence, code


def test_states_and_codes_fit_their_columns() -> None:
    """PostgreSQL refuses what is longer."""
    assert max(map(len, EditState)) <= 16
    assert max(map(len, ChunkState)) <= 16
    assert max(map(len, CampaignState)) <= 24
    assert max(map(len, Code)) <= 40
    assert {"plan_feature_missing"} == ABORT_REASONS


# ---------------------------------------------------------------- values

texts = st.text(max_size=20)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
times = st.builds(
    lambda start, minutes: Timed(start=start, end=start + timedelta(minutes=minutes)),
    moments.map(lambda one: one.replace(microsecond=0)),
    st.integers(0, 10_000),
)
days = st.builds(
    lambda first, length: all_day(first, days=length),
    st.dates(date(1980, 1, 1), date(2100, 1, 1)),
    st.integers(1, 30),
)


@given(
    st.builds(
        Image, when=times | days, summary=texts, description=texts, location=texts, conference=...
    )
)
def test_an_image_comes_back_from_json(image: Image) -> None:
    """It is stored before the first write and must send the same bytes afterwards (law 3)."""
    stored = msgspec.json.encode(image)
    again = msgspec.json.decode(stored, type=Image)
    assert again == image
    assert msgspec.json.encode(again) == stored


@pytest.mark.parametrize(
    "patch",
    [
        Patch(move=Shift(days=1, seconds=-90, elapsed=True)),
        Patch(move=Reschedule(start="2026-06-02T09:00", end=None), tzid="Europe/Berlin"),
        Patch(summary="", location="Room 5", expect_start="2026-06-02"),
    ],
)
def test_a_patch_comes_back_from_json(patch: Patch) -> None:
    """Leaving a field and clearing it are two wishes."""
    again = msgspec.json.decode(msgspec.json.encode(patch), type=Patch)
    assert again == patch
    assert (again.summary is None) == (patch.summary is None)


def test_a_policy_of_an_older_release_is_read() -> None:
    """A campaign outlives an upgrade: what it does not say is as it was by default."""
    assert msgspec.json.decode(b"{}", type=Policy) == Policy()
    assert msgspec.json.encode(Policy()) == b"{}"


def test_values_do_not_change() -> None:
    """They are shared between threads and compared later."""
    for value in (an_image(), timed(), all_day(), an_event(), Policy(), Patch()):
        with pytest.raises(AttributeError):
            setattr(value, value.__struct_fields__[0], None)


def test_a_shift_is_the_sum_of_its_parts() -> None:
    """Days and seconds keep their own signs."""
    assert Shift(days=-1, seconds=3600).delta == timedelta(hours=-23)


def test_an_event_is_named_by_calendar_and_uid() -> None:
    """The same uid in another calendar is another event."""
    assert an_event(calendar_id="c", event_uid="e").key == ("c", "e")
