"""`calpatch undo` and `retry`: what they refuse, what they store, and what they say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_store, uid
from worker.model import CampaignState, Code, EditState
from worker.store import Campaign, Store

#: of ONE_OF_EACH, the lines of which a write has left
SENT = [2, 7, 8]
STILL_RUNNING, HELD, USAGE = 5, 4, 2


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings; nobody works on campaigns, and Redis does not answer."""
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, migrated."""
    return a_store(shell.folder / "calpatch.db")


def child(store: Store, key: str) -> Campaign:
    """Return a campaign that must be there."""
    found = store.campaigns.get(key)
    assert found is not None
    return found


def lines(store: Store, campaign: Campaign) -> list[int]:
    """Return the lines of a campaign."""
    return [one.line_no for one in store.again.names(campaign.id)]


def set_state(store: Store, state: CampaignState) -> None:
    """Bring a campaign into a state by force."""
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET state = ?", (str(state),))


def test_an_undo_is_of_what_was_sent(shell: Shell, store: Store) -> None:
    """Whatever it ended as; planned, with the campaign's reason, and told where it is kept."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("undo", "key-c_1", "--wait", "1s")
    assert ended.code == STILL_RUNNING
    undo = child(store, "key-c_1-undo")
    assert f"3 edits of c_1 may be taken back; planned as {undo.id}" in ended.err
    assert (undo.kind, undo.parent, undo.state) == ("undo", "c_1", CampaignState.PLANNING)
    assert undo.reason == "Undo of c_1: New office hours"
    assert lines(store, undo) == SENT


def test_the_same_undo_again_is_that_one(shell: Shell, store: Store) -> None:
    """As long as it is open; afterwards there may be another one."""
    a_campaign(store, ONE_OF_EACH)
    shell("undo", "c_1", "--wait", "1s")
    undo = child(store, "key-c_1-undo")
    ended = shell("undo", "c_1", "--wait", "1s", "--reason", "told otherwise")
    assert f"3 edits of c_1 are being taken back already, by {undo.id}" in ended.err
    store.plans.reject(undo.id, actor="x", reason="y")
    set_state(store, CampaignState.CANCELLED)
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE edits SET state = 'not_attempted' WHERE state='pending'")
    assert shell("undo", "c_1", "--wait", "1s").code == STILL_RUNNING
    assert lines(store, child(store, "key-c_1-undo@2")) == SENT


def test_an_undo_of_some_lines(shell: Shell, store: Store) -> None:
    """Named by number or event; those that were never sent are no part of it."""
    a_campaign(store, ONE_OF_EACH)
    Path("some.csv").write_text(f"event_uid\n{uid(2)}\n{uid(3)}\n{uid(8)}\n", encoding="utf-8")
    ended = shell("undo", "c_1", "--items", "some.csv", "--key", "some", "--wait", "1s")
    assert "2 edits of c_1 may be taken back" in ended.err
    assert lines(store, child(store, "some")) == [2, 8]
    Path("none.csv").write_text("line_no\n3\n", encoding="utf-8")
    ended = shell("undo", "c_1", "--items", "none.csv")
    assert ended.code == HELD
    assert "None of these lines of c_1 was ever sent. See what became of it" in ended.last_words


def test_a_list_with_problems_is_refused(shell: Shell, store: Store) -> None:
    """As text and as JSON; nothing is stored."""
    a_campaign(store, ONE_OF_EACH)
    Path("bad.csv").write_text("line_no\n2\n77\n", encoding="utf-8")
    ended = shell("undo", "c_1", "--items", "bad.csv")
    assert ended.code == USAGE
    assert "line 3, line_no '77': no line of the campaign is that" in ended.err
    told = shell("undo", "c_1", "--items", "bad.csv", "--json")
    assert (told.code, told.json["problems"][0]["line"]) == (USAGE, 3)
    assert store.campaigns.get("key-c_1-undo") is None


@pytest.mark.parametrize("command", ["undo", "retry"])
@pytest.mark.parametrize(
    ("state", "step"),
    [
        (CampaignState.RUNNING, "Stop it first: calpatch cancel c_1 --reason TEXT"),
        (CampaignState.PAUSED, "Stop it first: calpatch cancel c_1 --reason TEXT"),
        (CampaignState.AWAITING_APPROVAL, "end it: calpatch reject c_1 --reason TEXT"),
        (CampaignState.CANCELLING, "Wait until it has ended: calpatch status c_1 --watch"),
    ],
)
def test_what_is_not_over_is_left_alone(
    shell: Shell, store: Store, command: str, state: CampaignState, step: str
) -> None:
    """With the one command that comes first."""
    a_campaign(store, [End(state=EditState.PENDING)])
    set_state(store, state)
    ended = shell(command, "c_1")
    assert (ended.code, ended.err.count("\n")) == (HELD, 1)
    assert str(state).replace("_", " ") in ended.err
    assert ended.err.endswith(f"{step}\n")


def test_what_was_pruned_cannot_be_taken_back(shell: Shell, store: Store) -> None:
    """Nothing is known of it any more."""
    a_campaign(store, ONE_OF_EACH)
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET pruned_at = '2026-01-02 00:00:00.000000'")
    ended = shell("undo", "c_1")
    assert ended.code == HELD
    assert "its lines were pruned on 2026-01-02" in ended.err


# ---------------------------------------------------------------- retry


def test_a_retry_is_of_what_failed_or_had_no_turn(shell: Shell, store: Store) -> None:
    """A campaign of edits goes on at once, after a yes."""
    a_campaign(store, ONE_OF_EACH)
    asked = shell("retry", "c_1")
    assert (asked.code, store.campaigns.get("key-c_1-retry")) == (HELD, None)
    assert "2 edits of c_1 would be tried again" in asked.err
    assert asked.last_words.endswith("Add --yes to begin")
    assert shell("retry", "c_1", "--yes").code == 0
    retry = child(store, "key-c_1-retry")
    assert (retry.kind, retry.parent, retry.state) == ("retry", "c_1", CampaignState.RUNNING)
    assert lines(store, retry) == [6, 9]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--only", "failed"], [6]),
        (["--only", "mismatch,unverified"], [7, 8]),
        (["--code", "rejected"], [6]),
        (["--only", "mismatch,unverified", "--code", "202"], [7, 8]),
        (["--only", "skipped", "--code", "recurring", "--code", "deleted"], [4]),
    ],
)
def test_a_retry_of_some(
    shell: Shell, store: Store, options: list[str], expected: list[int]
) -> None:
    """By what they ended as, by code, or by the API's status."""
    a_campaign(store, ONE_OF_EACH)
    assert shell("retry", "c_1", *options, "--yes").code == 0
    assert lines(store, child(store, "key-c_1-retry")) == expected


def test_conflicts_are_planned_anew(shell: Shell, store: Store) -> None:
    """Somebody must look at what becomes of them; with --yes it begins by itself."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("retry", "c_1", "--only", "conflict", "--wait", "1s")
    assert ended.code == STILL_RUNNING
    retry = child(store, "key-c_1-retry")
    assert (retry.state, retry.run.is_automatic) == (CampaignState.PLANNING, False)
    assert lines(store, retry) == [5]


def test_what_was_planned_is_planned_again(shell: Shell, store: Store) -> None:
    """With --yes it begins when its plan is complete, without anybody's approval."""
    a_campaign(store, ONE_OF_EACH)
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET kind = 'planned'")
    assert shell("retry", "c_1", "--yes").code == 0
    retry = child(store, "key-c_1-retry")
    assert (retry.state, retry.run.is_automatic) == (CampaignState.PLANNING, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "faild"], "--only 'faild': expected failed, not_attempted"),
        (["--code", "upstraem"], "--code 'upstraem': did you mean upstream? expected a code"),
        (["--code", "999"], "expected a code of the results, or an HTTP status"),
        (["--wait", "1m", "--async"], "--wait and --async exclude each other"),
        (["--reason", " "], "--reason: expected"),
    ],
)
def test_a_wrong_option_is_one_line(
    shell: Shell, store: Store, options: list[str], said: str
) -> None:
    """Before anything is stored."""
    a_campaign(store, ONE_OF_EACH)
    ended = shell("retry", "c_1", *options)
    assert (ended.code, ended.err.count("\n")) == (USAGE, 1)
    assert said in ended.err


def test_nothing_to_try_again_is_said(shell: Shell, store: Store) -> None:
    """Exit code 4: nothing was stored."""
    a_campaign(store, [End(state=EditState.VERIFIED, code=Code.VERIFIED)])
    ended = shell("retry", "c_1", "--code", "upstream", "--yes")
    assert ended.code == HELD
    assert "No line of c_1 is failed or not attempted with upstream. See" in ended.last_words
