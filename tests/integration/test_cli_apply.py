"""`calpatch apply`, `approve` and `reject`: what makes no sense begins nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import End, a_campaign, a_store
from worker.model import CampaignState, EditState, Run, Threshold
from worker.rules import parse_window
from worker.store import Store

HASH = "ab" * 32
WHY = ("--reason", "agreed in the board")
_S = CampaignState


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings; whoever asks is called ann."""
    bare_shell.setenv("LOGNAME", "ann")
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, with a plan of two changes that waits to be agreed to."""
    store = a_store(shell.folder / "calpatch.db")
    a_campaign(store, [End(state=EditState.PENDING)] * 2)
    with store.database.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE campaigns SET state = 'awaiting_approval', kind = 'planned',"
            f" plan_hash = '{HASH}', expires_at = '2126-06-01 12:00:00' WHERE id = 'c_1'"
        )
    return store


def state_and_run(store: Store) -> tuple[CampaignState, Run]:
    """Return where the campaign stands, and how it is carried out."""
    found = store.campaigns.get("c_1")
    assert found is not None
    return found.state, found.run


def test_what_is_said_with_it_is_how_it_is_carried_out(shell: Shell, store: Store) -> None:
    """Hours, a canary, limits and thresholds; it waits for its hours then."""
    ended = shell(
        "apply", "c_1", *WHY, "--yes", "--plan", f"sha256:{HASH[:16]}…",
        "--at", "2126-02-25T20:00+01:00", "--deadline", "2126-02-27T06:00+01:00",
        "--window", "20:00-06:00@Europe/Paris", "--quiet", "22:00-07:00@Asia/Tokyo",
        "--canary", "1", "--share", "50%", "--rate", "8", "--max-failures", "25",
        "--max-changes", "2", "--max-people", "10",
    )  # fmt: skip
    assert ended.code == 0
    state, run = state_and_run(store)
    assert state is _S.SCHEDULED
    assert run == Run(
        at=datetime(2126, 2, 25, 19, tzinfo=UTC), deadline=datetime(2126, 2, 27, 5, tzinfo=UTC),
        windows=(parse_window("20:00-06:00@Europe/Paris"),),
        quiet=(parse_window("22:00-07:00@Asia/Tokyo"),), canary=1, share=0.5, max_rps=8.0,
        max_failures=Threshold(percent=None, count=25), max_changes=2, max_people=10,
    )  # fmt: skip
    assert "quiet 22:00-07:00@Asia/Tokyo" in shell("status", "c_1").out


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("--at", "tomorrow"), "--at 'tomorrow': "),
        (("--at", "2126-02-25T20:00"), "expected a time with its offset: 2026-02-25T20:00+01:00"),
        (("--deadline", "2126-02-25"), "--deadline '2126-02-25': expected a time with its offset"),
        (("--window", "20:00"), "--window '20:00': not hours of the day"),
        (("--quiet", "20:00-06:00@Mars"), "--quiet '20:00-06:00@Mars': no such time zone"),
        (("--share", "0"), "expected a share above 0%"),
        (("--rate", "0"), "expected calls a second"),
        (("--max-failures", "few"), "no threshold of failures"),
        (("--plan", ""), "--plan '': expected a plan's sha256"),
        (("--plan", "abab"), "--plan 'abab': expected a plan's sha256"),
        (("--wait", "1m", "--async"), "exclude each other"),
    ],
)
def test_what_makes_no_sense_begins_nothing(
    shell: Shell, store: Store, said: tuple[str, ...], words: str
) -> None:
    """Also with --yes: it is told what was wrong, and by which name."""
    ended = shell("apply", "c_1", *WHY, "--yes", *said)
    assert (ended.code, words in ended.last_words) == (2, True), ended.last_words
    assert state_and_run(store) == (_S.AWAITING_APPROVAL, Run())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((), "nothing was begun, nobody is there to ask. Add --yes to begin"),
        (("--yes", "--plan", "cd" * 8), "is another one than"),
        (("--yes", "--max-changes", "1"), "2 changes are more than the 1 allowed"),
    ],
)
def test_what_does_not_hold_begins_nothing(
    shell: Shell, store: Store, said: tuple[str, ...], words: str
) -> None:
    """Exit 4, and it still waits."""
    ended = shell("apply", "c_1", *WHY, *said)
    assert (ended.code, words in ended.last_words) == (4, True), ended.last_words
    assert state_and_run(store) == (_S.AWAITING_APPROVAL, Run())


def test_an_approval_is_of_the_plan_that_was_looked_at(shell: Shell, store: Store) -> None:
    """It begins nothing, and another plan's, or an empty hash, is refused."""
    for plan, code in (("cd" * 32, 4), ("", 2), (HASH, 0)):
        assert shell("approve", "c_1", *WHY, "--plan", plan).code == code
    (approval,) = shell("status", "c_1", "--json").json["plan"]["approvals"]
    assert (approval["by"], approval["reason"]) == ("ann", WHY[1])
    assert state_and_run(store)[0] is _S.AWAITING_APPROVAL


def test_a_plan_that_is_rejected_is_over(shell: Shell, store: Store) -> None:
    """Nothing of it is begun afterwards, and it is not rejected twice."""
    ended = shell("reject", "c_1", *WHY)
    assert (ended.code, ended.out) == (
        0, "The plan of c_1 is rejected; nothing of it will be sent\n",
    )  # fmt: skip
    assert shell("reject", "c_1", *WHY).code == 4
    assert shell("apply", "c_1", *WHY, "--yes").code == 4
    assert state_and_run(store)[0] is _S.CANCELLING
