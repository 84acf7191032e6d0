"""Runs over sealed images: a missing key costs time only, and what is lost is never guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.unit.cli.commands import Shell, complete_settings
from tests.unit.report.campaigns import End, a_campaign, uid
from tests.world import ACCOUNT, HOUR, World, a_world, event_uid
from worker.app import open_store
from worker.model import EditState, Patch, Policy
from worker.run import run_chunk
from worker.settings import Settings
from worker.store import Store
from worker.tokens import Vault, generate_key
from worker.verify import verify_account

AN_HOUR = timedelta(hours=1)


def run(world: World, sql: str) -> None:
    """Change the database behind the store's back."""
    with world.store.database.begin() as connection:
        connection.execute(text(sql))


def chunk_of(world: World) -> tuple[str, int, int]:
    """Return the only chunk's state, rescues and proofs."""
    with world.store.database.read() as connection:
        row = connection.execute(text("SELECT state, rescues, proofs FROM chunks")).one()
    return row.state, row.rescues, row.proofs


def locked(world: World) -> World:
    """Return the world as a worker sees it that was started with another vault key."""
    vault = Vault([generate_key()])
    store = Store(world.store.database, keyring=vault)
    return replace(world, engine=replace(world.engine, vault=vault, store=store), store=store)


async def test_a_worker_with_the_wrong_key_uses_up_nothing(database_url: str) -> None:
    """However often it tries; with the right key everything goes on where it was."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(4):
            world.add_event(number)
        campaign = world.submit(range(4))
        held = world.store.chunks.claim(f"{campaign}.1", owner="first", lease_s=60)
        assert held is not None  # it has had the key made
        world.store.chunks.release(held)
        before = chunk_of(world)

        for _ in range(5):
            assert await run_chunk(locked(world).engine, f"{campaign}.1") == ""

        assert chunk_of(world) == before
        assert before[:2] == ("pending", 0)
        assert not world.sim.writes
        assert {outcome[0] for outcome in (await world.drain(campaign)).values()} == {"verified"}
        world.audit_run()


async def test_a_read_back_with_the_wrong_key_is_not_a_try(sqlite_url: str) -> None:
    """Or what was accepted would end unproven, for want of a setting."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        await run_chunk(world.engine, f"{campaign}.1")
        assert chunk_of(world)[0] == "verifying"

        for _ in range(5):
            assert await verify_account(locked(world).engine, ACCOUNT) == 0

        assert chunk_of(world) == ("verifying", 0, 0)
        assert await world.drain(campaign) == {2: ("verified", "verified")}


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("sending", "unverified"), ("pending", "failed"), ("accepted", "unverified")],
)
async def test_an_edit_whose_images_were_changed_by_hand_ends_by_name(
    sqlite_url: str, state: str, outcome: str
) -> None:
    """It is not resolved anew: its event may have been moved already (law 3)."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        world.add_event(2)
        campaign = world.submit([1, 2])
        await run_chunk(world.engine, f"{campaign}.1")
        swap = "(SELECT target FROM edits WHERE line_no = 3)"
        run(world, f"UPDATE edits SET target = {swap}, state = '{state}' WHERE line_no = 2")
        run(world, "UPDATE chunks SET state = 'pending', retry_at = NULL")
        writes = world.writes_to(1)

        outcomes = await world.drain(campaign)

        assert outcomes[2] == (outcome, "image_unreadable")
        assert outcomes[3] == ("verified", "verified")
        assert world.writes_to(1) == writes


@pytest.mark.parametrize("state", ["pending", "sending", "accepted"])
async def test_a_vault_key_lost_for_good_leaves_nothing_open(sqlite_url: str, state: str) -> None:
    """RUNBOOK: forget the accounts, and their edits end by themselves; nothing more is sent."""
    async with a_world(sqlite_url, verify_within=0.2) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        await run_chunk(world.engine, f"{campaign}.1")
        run(world, f"UPDATE edits SET state = '{state}'")
        run(world, "UPDATE chunks SET state = 'pending', retry_at = NULL")
        writes = len(world.sim.writes)
        world.store.accounts.forget(ACCOUNT, actor="ada")

        [(ended, _)] = (await locked(world).drain(campaign)).values()

        assert ended == {"pending": "failed"}.get(state, "unverified")
        assert len(world.sim.writes) == writes
        world.store.erasing.erase(ACCOUNT, actor="ada")
        assert world.store.audit.verify()[1] == []


# ---------------------------------------------------------------- earlier shifts


async def shifted_once(world: World) -> None:
    """Have an event that a campaign has moved by an hour, and the memory of where to pruned."""
    world.add_account()
    world.add_event(1)
    first = world.submit([1], key="first")
    await world.drain(first)
    assert world.shift_of(1) == AN_HOUR
    run(world, "UPDATE edits SET before = NULL, target = NULL, prior_target = NULL")


async def test_a_shift_is_not_made_again_when_its_memory_is_pruned(database_url: str) -> None:
    """Nobody knows any more where the event was put; so it stays where it is (law 3)."""
    async with a_world(database_url) as world:
        await shifted_once(world)
        again = world.submit([1], key="again")

        assert await world.drain(again) == {2: ("skipped", "already_in_campaign")}

        assert world.shift_of(1) == AN_HOUR


async def test_whoever_says_so_may_repeat_a_pruned_shift(sqlite_url: str) -> None:
    """`--allow-repeat` says that the shift shall be made again."""
    async with a_world(sqlite_url) as world:
        await shifted_once(world)
        again = world.submit([1], key="again", policy=Policy(allow_repeat=True))
        assert await world.drain(again) == {2: ("verified", "verified")}
        assert world.shift_of(1) == 2 * AN_HOUR


async def test_a_rows_own_guard_is_proof_enough(sqlite_url: str) -> None:
    """The event still starts where the row expects it: no shift has moved it from there."""
    async with a_world(sqlite_url) as world:
        await shifted_once(world)
        start = world.sim.event("cal_1", event_uid(1)).start
        assert isinstance(start, datetime)
        patch = Patch(move=HOUR, expect_start=start.astimezone(UTC).isoformat())
        again = world.submit({1: patch}, key="again")
        run(world, f"UPDATE edits SET prior_target = 'r1:c_first:2' WHERE campaign_id = '{again}'")
        assert await world.drain(again) == {2: ("verified", "verified")}
        assert world.shift_of(1) == 2 * AN_HOUR


# ---------------------------------------------------------------- the command


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A migrated database with a campaign that has ended, sealed with the settings' key."""
    shell = Shell(tmp_path, monkeypatch, capsys, complete_settings())
    assert shell("migrate").code == 0
    store = open_store(Settings.load())
    a_campaign(store, [End(state=EditState.VERIFIED, code="verified")])
    store.database.dispose()
    return shell


def sheet(shell: Shell) -> str:
    """Write the results and return those that succeeded."""
    done = shell("results", "c_1", "--out", "out")
    assert done.code == 0, done.err
    return (shell.folder / "out" / "succeeded.csv").read_text()


def test_results_and_why_open_what_is_sealed(shell: Shell) -> None:
    """The settings' key is all they need."""
    assert "2026-06-02T10:00:00+02:00" in sheet(shell)
    why = shell("why", uid(2))
    assert "2026-06-02T10:00:00+02:00" in why.out
    assert "left blank" not in why.err


@pytest.mark.parametrize("keys", ["", "abc", "another"])
def test_reports_work_without_the_vaults_key(shell: Shell, keys: str) -> None:
    """The columns are blank, and one line says why; states, codes and counts are there."""
    sheet(shell)
    shell.setenv("CALPATCH_VAULT_KEYS", generate_key() if keys == "another" else keys)
    shown = sheet(shell)
    assert "2026-06-02T" not in shown
    assert ",verified," in shown
    for command in (("results", "c_1", "--out", "out"), ("why", uid(2))):
        ended = shell(*command)
        assert ended.code == 0
        told = [line for line in ended.err.splitlines() if "left blank" in line]
        assert len(told) == 1
        assert "CALPATCH_VAULT_KEYS" in told[0]
    assert shell("status", "c_1").code == 0
