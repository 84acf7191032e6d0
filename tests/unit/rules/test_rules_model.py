"""The model: tables that must be complete, and values that survive being stored."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.builders import KEY, a_patch, all_day, an_event, an_image, timed
from worker.model import (
    CAMPAIGN_TRANSITIONS,
    CODE_HELP,
    ENDED,
    FINAL,
    TRANSITIONS,
    CampaignState,
    Code,
    EditState,
    Image,
    Patch,
    Reschedule,
    Shift,
)


def test_every_code_has_a_sentence_of_help() -> None:
    """Whoever reads a report reads the sentence, not our source."""
    assert set(CODE_HELP) == set(Code)
    assert all(text.endswith(".") for text in CODE_HELP.values())


def test_every_state_has_its_arrows() -> None:
    """A state without a row would refuse everything by a KeyError."""
    assert set(TRANSITIONS) == set(EditState)
    assert set(CAMPAIGN_TRANSITIONS) == set(CampaignState)


def test_the_final_states_are_those_of_law_2() -> None:
    """The sum that every report must satisfy is over these."""
    assert {str(state) for state in FINAL} == {
        "verified",
        "unverified",
        "mismatch",
        "unchanged",
        "skipped",
        "conflict",
        "failed",
        "not_attempted",
    }
    assert {str(state) for state in ENDED} == {
        "completed",
        "completed_with_errors",
        "cancelled",
        "failed",
        "expired",
    }


def test_an_event_is_named_by_calendar_and_uid() -> None:
    """Uids are looked up together with their calendar (cronofy-api §5.2)."""
    assert an_event().key == KEY


def test_a_shift_is_days_and_seconds() -> None:
    """Both count, with their signs."""
    assert Shift(days=-1, seconds=-60).delta == -timedelta(days=1, minutes=1)


@pytest.mark.parametrize(
    "patch",
    [
        a_patch(move=Shift(days=1, elapsed=True)),
        a_patch(move=Reschedule(start="2026-07-01")),
        a_patch(location="", summary="Ünïcödé 🗓"),
    ],
)
def test_patches_survive_being_stored(patch: Patch) -> None:
    """An empty text clears and None leaves, after a round through SQL too."""
    assert msgspec.json.decode(msgspec.json.encode(patch), type=Patch) == patch


@pytest.mark.parametrize("image", [an_image(timed(tzid="Asia/Tokyo")), an_image(all_day())])
def test_images_survive_being_stored(image: Image) -> None:
    """The bytes of a target are what is sent; days stay days and instants instants."""
    assert msgspec.json.decode(msgspec.json.encode(image), type=Image) == image
