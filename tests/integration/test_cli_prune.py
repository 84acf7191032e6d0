"""`calpatch prune`: by its options or the settings, told before and after."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import End, a_campaign, uid
from worker.app import open_store
from worker.model import EditState
from worker.settings import Settings

NONE = {"campaigns": 0, "edits": 0}
ALL = {"campaigns": 1, "edits": 2}


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A campaign that ended a hundred days ago."""
    shell = bare_shell
    shell("migrate")
    store = open_store(Settings.load())
    a_campaign(store, [End(state=EditState.VERIFIED, code="verified")] * 2)
    with store.database.begin() as connection:
        sql = f"UPDATE campaigns SET finished_at = {store.database.later_sql('ago')}"
        connection.execute(text(sql), {"ago": -100 * 86_400.0})
    store.database.dispose()
    return shell


def test_the_settings_say_what_is_old(shell: Shell) -> None:
    """By default images go after 90 days, and outcomes never."""
    dry = shell("prune", "--dry-run", "--json").json
    assert dry == {"dry_run": True, "images": ALL, "outcomes": NONE}
    shell.setenv("CALPATCH_KEEP_IMAGES", "forever")
    assert shell("prune", "--dry-run", "--json").json["images"] == NONE
    shell.setenv("CALPATCH_KEEP_IMAGES", "101d")
    assert shell("prune", "--dry-run", "--json").json["images"] == NONE
    shell.setenv("CALPATCH_KEEP_OUTCOMES", "99d")
    assert shell("prune", "--dry-run", "--json").json["outcomes"] == ALL


def test_options_come_before_settings(shell: Shell) -> None:
    """A person who types knows what they want; what was done is told in words."""
    assert shell("prune", "--images-older-than", "forever", "--json").json["images"] == NONE
    said = shell("prune", "--images-older-than", "99d", "--dry-run").out
    assert said == (
        "images of 2 edits in 1 campaign would be removed\n"
        "outcomes of 0 edits in 0 campaigns would be removed\n"
    )
    said = shell("prune", "--images-older-than", "99d").out
    assert said.startswith("images of 2 edits in 1 campaign were removed\n")
    assert shell("prune", "--json").json["images"] == NONE


@pytest.mark.parametrize("option", ["--images-older-than", "--outcomes-older-than"])
def test_a_wrong_age_is_refused(shell: Shell, option: str) -> None:
    """Before anything is removed."""
    ended = shell("prune", option, "soon")
    assert ended.code == 2
    assert f"{option} 'soon': expected a duration such as 90d, or forever" in ended.err


def test_a_wrong_setting_is_named(shell: Shell) -> None:
    """As any other."""
    shell.setenv("CALPATCH_KEEP_IMAGES", "soon")
    ended = shell("prune")
    assert ended.code == 7
    assert "CALPATCH_KEEP_IMAGES: expected a duration such as 90d, or forever" in ended.err


def test_results_without_images_are_blank(shell: Shell) -> None:
    """And nothing is wrong with that."""
    shell("prune")
    done = shell("results", "c_1", "--out", "out")
    assert done.code == 0
    assert "left blank" not in done.err
    written = (shell.folder / "out" / "succeeded.csv").read_text()
    assert written.count(",verified,") == 2
    assert "2026-06-02T" not in written
    assert shell("why", uid(2)).code == 0


def test_pruned_outcomes_are_told_with_their_counts(shell: Shell) -> None:
    """There are no results any more; the counts are there, and the audit is whole."""
    assert shell("prune", "--outcomes-older-than", "99d", "--json").json["outcomes"] == ALL
    ended = shell("results", "c_1", "--out", "out")
    assert ended.code == 2
    assert "The outcomes of c_1 were pruned on 20" in ended.err
    assert "`calpatch status c_1` has their counts" in ended.err
    assert not (shell.folder / "out").exists()
    status = shell("status", "c_1", "--json").json
    assert (status["state"], status["counts"]["by_status"]) == ("completed", {"verified": 2})
    assert shell("why", uid(2)).code == 2
    assert shell("audit", "verify").code == 0
