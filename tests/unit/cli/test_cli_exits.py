"""Exit codes and the one line that goes with them: a promise to scripts (features §3.7)."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.exceptions import TyperException

from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_look, a_store
from worker import errors
from worker.cli.exits import ExitCode, exit_of
from worker.cli.main import guarded_run
from worker.model import CampaignState, Code, EditState


def raising(error: BaseException) -> int:
    """Run a command that raises."""

    def command() -> int:
        raise error

    return guarded_run(command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingsError("x"), 7),
        (errors.StoreUnavailable("x"), 7),
        (errors.LimiterUnavailable("x"), 7),
        (errors.BrokerUnavailable("x"), 7),
        (errors.VaultError("x"), 7),
        (errors.InvalidInput([]), 2),
        (errors.KeyConflict("x"), 2),
        (errors.NotFound("x"), 2),
        (TyperException("no such option"), 2),
        (errors.WrongTransition("x"), 1),
        (RuntimeError("x"), 1),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    """A pipeline decides by the code alone whether to try again, to alert or to go on."""
    assert raising(error) == code


def test_an_error_is_one_line_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """What happened, and what to do: never a stack trace."""
    raising(errors.SettingsError("CALPATCH_RATE is wrong", next_step="Write it as in 50/s"))
    assert capsys.readouterr().err == "calpatch: CALPATCH_RATE is wrong. Write it as in 50/s\n"


def test_an_unexpected_error_shows_its_type_and_not_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its text may hold a token or a title (law 9); where to look is told."""
    raising(RuntimeError("Bearer s3cr3t"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "s3cr3t" not in said
    assert "internal error (RuntimeError)" in said
    assert "CALPATCH_LOG_LEVEL=DEBUG" in said


def test_no_line_is_obeyed_by_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """File names and cells end up in messages."""
    raising(errors.NotFound("No campaign \x1b[2J\n"))
    assert capsys.readouterr().err == "calpatch: No campaign \\x1b[2J\\n\n"


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([End(state=EditState.VERIFIED), End(state=EditState.UNCHANGED)], 0),
        ([End(state=EditState.SKIPPED, code=Code.RECURRING)], 0),
        ([End(state=EditState.VERIFIED), End(state=EditState.FAILED)], 3),
        ([End(state=EditState.MISMATCH)], 3),
        ([End(state=EditState.CONFLICT)], 3),
        ([End(state=EditState.UNVERIFIED, code=Code.NOT_READ_BACK)], 3),
        ([End(state=EditState.UNVERIFIED, code=Code.NO_PROOF_ASKED)], 0),
        ([End(state=EditState.PENDING)], 5),
    ],
)
def test_a_campaign_ends_with_the_code_of_its_worst_edit(
    ends: list[End], code: int, tmp_path: Path
) -> None:
    """Exit 0 though rows failed is the complaint that every bulk tool gets (features §2, 9)."""
    store = a_store(tmp_path / "calpatch.db")
    assert exit_of(a_look(store, a_campaign(store, ends))) == code


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (CampaignState.CANCELLED, ExitCode.CANCELLED),
        (CampaignState.FAILED, ExitCode.FINISHED_WITH_ERRORS),
        (CampaignState.EXPIRED, ExitCode.HELD),
        (CampaignState.PAUSED, ExitCode.HELD),
        (CampaignState.AWAITING_APPROVAL, ExitCode.HELD),
    ],
)
def test_a_campaigns_own_end_has_its_code(
    state: CampaignState, code: ExitCode, tmp_path: Path
) -> None:
    """Cancelled is neither success nor failure."""
    from dataclasses import replace

    store = a_store(tmp_path / "calpatch.db")
    campaign = a_campaign(store, ONE_OF_EACH)
    assert exit_of(a_look(store, campaign, campaign=replace(campaign, state=state))) is code


def test_the_table_of_codes_is_the_documented_one() -> None:
    """README shows these; a change here breaks scripts."""
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "INTERNAL": 1, "USAGE": 2, "FINISHED_WITH_ERRORS": 3, "HELD": 4,
        "STILL_RUNNING": 5, "CANCELLED": 6, "CONFIG": 7, "PLAN_HAS_CHANGES": 8,
        "NOTHING_TO_DO": 9, "INTERRUPTED": 130,
    }  # fmt: skip
