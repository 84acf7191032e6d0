"""Errors: one base, split by what the caller does next, and sentences when read aloud."""

from __future__ import annotations

import pytest

from worker import errors
from worker.errors import (
    ApiError,
    InvalidInput,
    Problem,
    RateLimited,
    Rejected,
    SettingsError,
    TokenLost,
    WorkerError,
)

ALL = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, WorkerError)
]


def test_every_error_has_one_base_and_a_sentence() -> None:
    """The edges catch one class, and the docstring says when it is raised."""
    for error in ALL:
        assert error in WorkerError.__subclasses__() + ApiError.__subclasses__() + [WorkerError]
        assert error.__doc__ is not None
        assert error.__name__ in (errors.__doc__ or "") or error is WorkerError


@pytest.mark.parametrize(
    ("message", "next_step", "said"),
    [
        ("The vault is closed", "", "The vault is closed"),
        ("The vault is closed", "Open it", "The vault is closed. Open it"),
        ("The vault is closed.", "Open it", "The vault is closed. Open it"),
        ("Is the vault closed?", "Open it", "Is the vault closed? Open it"),
    ],
)
def test_an_error_is_told_with_its_next_step(message: str, next_step: str, said: str) -> None:
    """In one line that reads as sentences."""
    error = WorkerError(message, next_step=next_step)
    assert str(error) == said
    assert (error.message, error.next_step) == (message, next_step)


def test_exit_codes_tell_whose_turn_it_is() -> None:
    """2: the input's; 7: the environment's; 1: ours (features §3.7)."""
    codes = {error.__name__: error.exit_code for error in ALL}
    assert {name for name, code in codes.items() if code == 2} == {
        "InvalidInput",
        "KeyConflict",
        "NotFound",
        "WrongOption",
    }
    assert {name for name, code in codes.items() if code == 7} == {
        "BrokerUnavailable",
        "CircuitOpen",
        "LimiterUnavailable",
        "SettingsError",
        "StoreUnavailable",
        "VaultError",
    }


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            Problem(line=3, column="shift", value="1 day", message="expected P1D"),
            "line 3, shift '1 day': expected P1D",
        ),
        (Problem(line=3, column="", value="", message="too short"), "line 3: too short"),
        (
            Problem(line=3, column="run.at", value="noon", message="no time", position=9),
            "line 3, column 9, run.at 'noon': no time",
        ),
        (Problem(line=0, column="", value="", message="is empty"), "file: is empty"),
    ],
)
def test_a_problem_names_its_place(problem: Problem, said: str) -> None:
    """Line and column first: that is where one looks."""
    assert str(problem) == said


@pytest.mark.parametrize(
    ("kept", "more", "said"),
    [(1, 0, "1 problem in"), (2, 0, "2 problems in"), (1, 9, "10 problems in")],
)
def test_problems_are_counted_whether_kept_or_not(kept: int, more: int, said: str) -> None:
    """A file of a million wrong lines is told by its first ones and the number."""
    problem = Problem(line=1, column="", value="", message="x")
    error = InvalidInput([problem] * kept, more=more)
    assert str(error).startswith(said)
    assert (len(error.problems), error.more) == (kept, more)
    assert "Nothing was stored or sent" in str(error)


def test_answers_carry_what_the_caller_needs() -> None:
    """As fields, never as text to be taken apart."""
    assert RateLimited("slow down", retry_after_s=None).status == 429
    assert RateLimited("slow down", retry_after_s=2.5).retry_after_s == 2.5
    assert Rejected("refused", status=422, keys=("start",)).keys == ("start",)
    assert ApiError("no answer").status == 0
    assert TokenLost("revoked", reason="account_lost").reason == "account_lost"
    assert not issubclass(SettingsError, ApiError)
