"""When failures hold a campaign: the arithmetic of features §3.3, and rows of the same code."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import FINAL, Code, EditState, Threshold
from worker.rules import Streak, format_threshold, parse_threshold, tripped, tripped_in_a_row
from worker.rules.threshold import NO_THRESHOLD

_S = EditState
FIVE_PERCENT = Threshold()


def counted(**counts: int) -> dict[tuple[EditState, str], int]:
    """Return counts by state, each with some code of its own."""
    return {(EditState(name), name): count for name, count in counts.items()}


def after(*steps: tuple[EditState, str]) -> Streak:
    """Return what a process has seen last."""
    streak = Streak()
    for state, code in steps:
        streak = streak.then(state, code)
    return streak


# ---------------------------------------------------------------- of all


@pytest.mark.parametrize(
    ("counts", "is_held"),
    [
        (counted(verified=95, failed=5), False),
        (counted(verified=94, failed=6), True),
        (counted(verified=94, failed=3, mismatch=3), True),
        (counted(verified=46, failed=3), False),
        (counted(verified=47, failed=3), True),
        (counted(verified=94, conflict=6), False),
        (counted(verified=90, conflict=5, failed=5), False),
        (counted(verified=94, unverified=6), False),
        (counted(failed=6, skipped=500, unchanged=500, not_attempted=500), False),
        (counted(verified=44, failed=6, skipped=500, unchanged=500, not_attempted=500), True),
        (counted(verified=44, failed=5, accepted=500, pending=500, sending=500), False),
        ({}, False),
    ],
)
def test_a_campaign_is_held_by_more_than_its_share(
    counts: dict[tuple[EditState, str], int], is_held: bool
) -> None:
    """Strictly more, of what was tried and has ended, once that is enough to tell by."""
    assert bool(tripped(FIVE_PERCENT, counts)) is is_held


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (_S.FAILED, Code.ACCOUNT_LOST),
        (_S.FAILED, Code.UNAUTHORIZED),
        (_S.FAILED, Code.ACCOUNT_LOCKED),
    ],
)
def test_a_lost_account_neither_fails_a_campaign_nor_hides_its_failures(
    state: EditState, code: Code
) -> None:
    """One account with thousands of edits would decide for all the others, one way or the other."""
    assert not tripped(FIVE_PERCENT, {(state, code): 1_000})
    hidden = {(state, code): 1_000, (_S.VERIFIED, "verified"): 90, (_S.FAILED, "rejected"): 10}
    assert tripped(FIVE_PERCENT, hidden)


def test_the_share_is_the_decimal_that_was_written() -> None:
    """As a float, 1.1 is a little more than that, and 2.2 of 200 would be too few."""
    share = Threshold(percent=1.1)
    assert not tripped(share, counted(verified=989, failed=11))
    assert tripped(share, counted(verified=988, failed=12))


def test_a_number_holds_when_it_is_reached() -> None:
    """However few were tried."""
    threshold = Threshold(percent=None, count=3)
    assert not tripped(threshold, counted(verified=1_000, failed=2))
    assert tripped(threshold, counted(failed=2, mismatch=1))


def test_the_sentence_has_the_numbers() -> None:
    """Whoever resumes the campaign wants to know what to allow."""
    counts = counted(verified=988, failed=12) | {(_S.FAILED, "upstream"): 1_000}
    assert tripped(Threshold(percent=2.5), counts) == (
        "1,012 of 2,000 edits failed, which is more than 2.5%"
    )
    assert tripped(Threshold(count=1_000), counts) == (
        "1,012 edits failed, and 1,000 are enough to hold the campaign"
    )


@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from(EditState), st.sampled_from(Code)), st.integers(0, 200)
    ),
    percent=st.integers(1, 1_000).map(lambda tenths: tenths / 10),
    least=st.integers(1, 300),
)
def test_the_share_is_what_the_formula_says(
    counts: dict[tuple[EditState, str], int], percent: float, least: int
) -> None:
    """Worked out once more, by what is left when the rest is taken away (features §3.3)."""
    of_accounts = {"account_lost", "account_locked", "unauthorized"}
    ended = {
        key: count for key, count in counts.items() if key[0] in FINAL and key[1] not in of_accounts
    }
    by_state = dict.fromkeys(EditState, 0)
    for (state, _), count in ended.items():
        by_state[state] += count
    attempted = sum(ended.values()) - sum(
        by_state[state] for state in (_S.SKIPPED, _S.UNCHANGED, _S.NOT_ATTEMPTED)
    )
    failed = by_state[_S.FAILED] + by_state[_S.MISMATCH]
    is_over = attempted and Fraction(failed, attempted) > Fraction(str(percent)) / 100
    said = tripped(Threshold(percent=percent, min_attempted=least), counts)
    assert bool(said) == (attempted >= least and bool(is_over))


# ---------------------------------------------------------------- in a row


def test_ten_of_a_kind_in_a_row_hold_a_campaign() -> None:
    """A provider that refuses everything is found out long before five percent have failed."""
    nine = after(*[(_S.FAILED, "rejected")] * 9)
    assert tripped_in_a_row(FIVE_PERCENT, nine) == ""
    ten = nine.then(_S.FAILED, "rejected")
    assert tripped_in_a_row(FIVE_PERCENT, ten) == "10 edits in a row failed with rejected"


@pytest.mark.parametrize(
    ("between", "is_held"),
    [
        ((_S.FAILED, "upstream"), False),
        ((_S.ACCEPTED, ""), False),
        ((_S.VERIFIED, "verified"), True),
        ((_S.MISMATCH, "no_effect"), True),
        ((_S.SKIPPED, "recurring"), True),
        ((_S.UNCHANGED, "already_as_asked"), True),
        ((_S.CONFLICT, "changed_elsewhere"), True),
        ((_S.UNVERIFIED, "not_read_back"), True),
        ((_S.FAILED, "account_lost"), True),
        ((_S.PENDING, ""), True),
    ],
)
def test_only_a_write_that_says_otherwise_ends_a_row_of_writes(
    between: tuple[EditState, str], is_held: bool
) -> None:
    """What was not sent says nothing of what is refused, nor does what was written long ago."""
    failure = (_S.FAILED, "rejected")
    streak = after(*[failure] * 9, between, failure)
    assert bool(tripped_in_a_row(FIVE_PERCENT, streak)) is is_held


@pytest.mark.parametrize(
    ("between", "is_held"),
    [((_S.VERIFIED, "verified"), False), ((_S.ACCEPTED, ""), True), ((_S.FAILED, "poison"), True)],
)
def test_only_a_proof_ends_a_row_of_events_that_are_not_as_asked(
    between: tuple[EditState, str], is_held: bool
) -> None:
    """The API goes on taking what has no effect."""
    failure = (_S.MISMATCH, "no_effect")
    streak = after(*[failure] * 9, between, failure)
    assert bool(tripped_in_a_row(FIVE_PERCENT, streak)) is is_held


def test_a_row_of_another_code_begins_anew() -> None:
    """One, not none: the last failure is its first."""
    streak = after(*[(_S.FAILED, "rejected")] * 9, *[(_S.FAILED, "upstream")] * 9)
    assert streak.writes.length == 9
    assert not tripped_in_a_row(FIVE_PERCENT, streak)


def test_rows_hold_nothing_where_nobody_asks() -> None:
    """None turns the rule off."""
    streak = after(*[(_S.FAILED, "rejected")] * 100)
    assert tripped_in_a_row(Threshold(same_code_in_a_row=None), streak) == ""


# ---------------------------------------------------------------- from text


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("5%", Threshold(percent=5)),
        (" 0.5 % ", Threshold(percent=0.5)),
        ("100%", Threshold(percent=100)),
        ("25", Threshold(percent=None, count=25)),
        ("None", NO_THRESHOLD),
    ],
)
def test_a_threshold_is_read(text: str, threshold: Threshold) -> None:
    """A share, a number, or none at all."""
    assert parse_threshold(text) == threshold


def test_none_holds_for_nothing() -> None:
    """Not for a row either."""
    assert tripped(NO_THRESHOLD, counted(failed=1_000)) == ""
    assert tripped_in_a_row(NO_THRESHOLD, after(*[(_S.FAILED, "poison")] * 99)) == ""


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "101%", "-5%", "5 percent", "1e3", "٥", "5%%", "1.2"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    """Nothing is guessed that decides when a campaign stops."""
    with pytest.raises(ValueError, match="write a share such as 5%, a number, or none"):
        parse_threshold(text)


@pytest.mark.parametrize("text", ["5%", "0.5%", "25", "none"])
def test_a_threshold_is_written_as_it_is_read(text: str) -> None:
    """What `tune` shows can be given to it again."""
    assert format_threshold(parse_threshold(text)) == text
