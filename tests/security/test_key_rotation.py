"""Changing the vault's key: online, resumable, and without losing a token (checklist C 2)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.unit.cli.commands import Shell, complete_settings
from tests.world import a_world
from worker import points
from worker.cronofy import CallCount
from worker.errors import VaultError
from worker.run import run_chunk
from worker.simulator import Behaviour
from worker.store import SEALED, Database, NewAccount, Store, migrate
from worker.tokens import Vault, generate_key, key_uses, rotate
from worker.tokens import rotation as rotation_module

OLD, NEW, OTHER = generate_key(), generate_key(), generate_key()
OLD_ID, NEW_ID, OTHER_ID = (Vault([key]).key_ids[0] for key in (OLD, NEW, OTHER))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty store on each database."""
    opened = Store(Database(database_url))
    migrate(opened.database)
    yield opened
    opened.database.dispose()


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    """Leave no listener behind."""
    yield
    points.listen(None)


def fill(store: Store, count: int, *, key: str = OLD, prefix: str = "acc") -> None:
    """Import accounts whose tokens are sealed with a key."""
    vault = Vault([key])
    accounts = [
        NewAccount(
            sub=(sub := f"{prefix}_{number:04d}"),
            access_token=vault.seal(sub, f"access-{sub}"),
            refresh_token=vault.seal(sub, f"refresh-{sub}"),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        for number in range(count)
    ]
    store.accounts.import_all(accounts, actor="test")


def opened(store: Store, *keys: str) -> dict[str, tuple[str, str]]:
    """Return all tokens, opened with these keys."""
    vault = Vault(keys)
    return {
        each.sub: (
            vault.open(each.sub, each.access_token),
            vault.open(each.sub, each.refresh_token),
        )
        for each in store.accounts.all()
    }


def test_everything_opens_with_the_new_key_alone(store: Store) -> None:
    """More than a batch; the tokens are what they were, and versions stay for those who refresh."""
    fill(store, 450)
    before = opened(store, OLD)

    done = rotate(store, Vault([NEW, OLD]), actor="ann")

    assert (done.resealed, done.damaged, done.left) == (450, 0, 0)
    assert done.removable == [OLD_ID]
    assert opened(store, NEW) == before
    assert {each.token_version for each in store.accounts.all()} == {0}


def test_a_second_run_has_nothing_to_do(store: Store) -> None:
    """Safe to repeat, in a script too."""
    fill(store, 3)
    vault = Vault([NEW, OLD])
    assert rotate(store, vault, actor="ann").resealed == 3
    assert rotate(store, vault, actor="ann").resealed == 0


def test_each_batch_is_audited_with_it(store: Store) -> None:
    """Who changed which key when; the chain holds, and names no token."""
    fill(store, 250)
    rotate(store, Vault([NEW, OLD]), actor="ann")
    with store.database.read() as connection:
        rows = connection.execute(
            text("SELECT actor, action, detail FROM audit WHERE chain = 'vault' ORDER BY seq")
        ).all()
    assert [(row.actor, row.action) for row in rows] == [("ann", "vault.rotated")] * 2
    assert NEW_ID in rows[0].detail
    assert store.audit.verify()[1] == []


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    """A column that was forgotten would be lost with the old key."""
    from worker.store.tables import metadata

    binary = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if "BINARY" in str(column.type).upper() or "BLOB" in str(column.type).upper()
    }
    known = {(table.name, column) for table in SEALED for column in table.columns}
    # The salt of the audit's digests: not sealed, dropped to erase.
    assert known == binary - {("campaigns", "image_key")}


def test_a_run_that_is_killed_goes_on_where_it_was(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 after the first batch; the second run does the rest and nothing twice."""
    store = Store(Database(sqlite_url))
    migrate(store.database)
    fill(store, 450)
    program = textwrap.dedent("""
        import os, signal, sys
        from worker import points
        from worker.store import Database, Store
        from worker.tokens import Vault, rotate
        points.listen(lambda n: n == "commit.after" and os.kill(os.getpid(), signal.SIGKILL))
        rotate(Store(Database(sys.argv[1])), Vault(sys.argv[2:]), actor="ann")
    """)
    killed = subprocess.run(
        [sys.executable, "-c", program, sqlite_url, NEW, OLD], check=False, timeout=60
    )
    assert killed.returncode == -9
    vault = Vault([NEW, OLD])
    assert {key.id: key.values for key in key_uses(store, vault)} == {NEW_ID: 400, OLD_ID: 500}
    assert len(opened(store, NEW, OLD)) == 450  # workers go on meanwhile

    assert rotate(store, vault, actor="ann").resealed == 250
    assert len(opened(store, NEW)) == 450
    assert store.audit.verify()[1] == []
    store.database.dispose()


def test_a_token_refreshed_in_between_is_never_overwritten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing of a batch a worker stores what it got: that is what counts."""
    fill(store, 2)
    worker = Vault([OLD])  # not restarted yet: it seals with the old key
    swap = store.rotation.swap

    def refreshed_before(*args: object, **named: object) -> int:
        monkeypatch.setattr(store.rotation, "swap", swap)
        assert store.accounts.save_tokens(
            "acc_0001",
            access_token=worker.seal("acc_0001", "newer access"),
            refresh_token=worker.seal("acc_0001", "newer refresh"),
            expires_in_s=3600,
            version=0,
        )
        return swap(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store.rotation, "swap", refreshed_before)
    done = rotate(store, Vault([NEW, OLD]), actor="ann")

    assert opened(store, NEW)["acc_0001"] == ("newer access", "newer refresh")
    assert (done.resealed, done.left) == (2, 0)


async def test_under_load_no_refresh_is_lost(database_url: str) -> None:
    """Accounts are refreshed for real, each time with another token, while keys change to and fro.

    An API that rotates refresh tokens takes only the last one: a single overwritten token would
    end the account.
    """
    behaviour = Behaviour(rate=(), lag_s=0.0, rotate_refresh_tokens=True)
    async with a_world(database_url, behaviour=behaviour) as world:
        subs = [f"acc_{number}" for number in range(6)]
        world.engine = replace(world.engine, vault=Vault([OLD, NEW]))
        for sub in subs:
            world.add_account(sub, calendars=())
        engines = [replace(world.engine, vault=Vault([first, second]))
                   for first, second in ((OLD, NEW), (NEW, OLD))]  # fmt: skip
        is_over = threading.Event()
        resealed = 0

        def keep_rotating() -> None:
            nonlocal resealed
            while not is_over.is_set():
                for keys in ([NEW, OLD], [OLD, NEW]):
                    resealed += rotate(world.store, Vault(keys), actor="ann").resealed

        async def keep_refreshing(sub: str) -> None:
            for number in range(12):
                account = world.store.accounts.get(sub)
                assert account is not None
                await engines[number % 2].session(account, CallCount()).renew()

        rotating = asyncio.create_task(asyncio.to_thread(keep_rotating))
        try:
            await asyncio.gather(*(keep_refreshing(sub) for sub in subs))
        finally:
            is_over.set()
            await rotating

        assert resealed > len(subs)
        rotate(world.store, Vault([NEW, OLD]), actor="ann")
        tokens = opened(world.store, NEW)
        for sub in subs:
            assert tokens[sub][1] == world.sim.accounts[sub].refresh_token
            account = world.store.accounts.get(sub)
            assert account is not None
            assert account.token_version == 12
        assert sum(one.status != 200 for one in world.sim.requests if one.route == "token") == 0
        assert world.store.audit.verify()[1] == []


def test_a_missing_key_is_named_and_the_rest_is_done(store: Store) -> None:
    """What cannot be opened stays as it is: with its key back, a second run finds it."""
    fill(store, 3)
    fill(store, 2, key=OTHER, prefix="lost")

    done = rotate(store, Vault([NEW, OLD]), actor="ann")

    assert (done.resealed, done.left, done.damaged) == (3, 4, 0)
    assert [(key.id, key.values) for key in done.keys if key.role == "missing"] == [(OTHER_ID, 4)]
    again = rotate(store, Vault([NEW, OLD, OTHER]), actor="ann")
    assert (again.resealed, again.left) == (2, 0)
    assert len(opened(store, NEW)) == 5


def test_a_damaged_value_is_counted_and_left(store: Store) -> None:
    """It hinders nobody else, and it does not make the old key look unneeded."""
    fill(store, 3)
    with store.database.begin() as connection:
        damaged = f"{OLD_ID}.gAAAA-damaged".encode()
        connection.execute(
            text("UPDATE accounts SET access_token = :value WHERE sub = 'acc_0001'"),
            {"value": damaged},
        )
    done = rotate(store, Vault([NEW, OLD]), actor="ann")
    assert (done.resealed, done.damaged, done.left) == (3, 1, 1)
    assert done.removable == []


def test_rows_swapped_before_a_rotation_do_not_open_after_it(store: Store) -> None:
    """Sealing anew makes nothing right that was wrong: the account stays bound."""
    fill(store, 2)
    with store.database.begin() as connection:
        connection.execute(
            text(
                "UPDATE accounts SET refresh_token ="
                " (SELECT b.refresh_token FROM accounts b WHERE b.sub = 'acc_0000')"
                " WHERE sub = 'acc_0001'"
            )
        )
    rotate(store, Vault([NEW, OLD]), actor="ann")
    account = store.accounts.get("acc_0001")
    assert account is not None
    with pytest.raises(VaultError, match="belongs to another account"):
        Vault([NEW]).open(account.sub, account.refresh_token)


def test_a_value_in_the_open_is_never_shown(store: Store) -> None:
    """What is no sealed value may be a token that somebody put there by hand."""
    fill(store, 1)
    with store.database.begin() as connection:
        connection.execute(text("UPDATE accounts SET access_token = :v"), {"v": b"canarytoken1234"})
    done = rotate(store, Vault([NEW, OLD]), actor="ann")
    assert "canary" not in repr(done)
    assert [key.id for key in done.keys if key.role == "missing"] == [""]
    rows = store.rotation.under_others(SEALED[0], b"none", after="", limit=9)
    assert "canary" not in repr(rows)


def test_workers_without_the_old_key_wait_and_lose_nothing(store: Store) -> None:
    """Removed too early: the error names the key; put back, everything opens."""
    fill(store, 1)
    account = store.accounts.get("acc_0000")
    assert account is not None
    with pytest.raises(VaultError, match=OLD_ID):
        Vault([NEW]).open(account.sub, account.refresh_token)
    assert opened(store, NEW, OLD)["acc_0000"] == ("access-acc_0000", "refresh-acc_0000")


async def test_edits_wait_for_a_key_that_is_missing(sqlite_url: str) -> None:
    """No edit fails because of the operator's slip: with the key back, all are verified."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        keyless = replace(world.engine, vault=Vault([generate_key()]))
        await run_chunk(keyless, f"{campaign}.1")
        assert set(world.outcomes(campaign).values()) == {("pending", "")}
        assert not world.sim.writes

        with world.store.database.begin() as connection:  # a while later
            connection.execute(text("UPDATE chunks SET retry_at = NULL, dispatched_at = NULL"))
        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {("verified", "verified")}
        world.audit_run()


# ---------------------------------------------------------------- the command


@pytest.fixture
def shell(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A folder with a migrated database and one account under the old key."""
    made = Shell(tmp_path, monkeypatch, capsys, complete_settings())  # type: ignore[arg-type]
    made.setenv("CALPATCH_VAULT_KEYS", OLD)
    made("migrate")
    (made.folder / "a.csv").write_text(
        "sub,access_token,refresh_token\nacc_1,canary-a,canary-r\nacc_2,canary-b,canary-s\n"
    )
    made("accounts", "import", "a.csv")
    return made


def test_without_a_new_key_it_says_what_is_missing(shell: Shell) -> None:
    """Or it would look like a success, and the old key stayed (airflow#8971)."""
    for arguments in (["keys", "rotate"], ["keys", "rotate", "--check"]):
        ended = shell(*arguments)
        assert ended.code == 7
        assert "Put a new key (`calpatch keys new`) in front of it" in ended.last_words
        assert OLD_ID in ended.last_words


def test_the_whole_way_of_a_change(shell: Shell) -> None:
    """Check, rotate, look, take the old key out: as the runbook says."""
    shell.setenv("CALPATCH_VAULT_KEYS", f"{NEW},{OLD}")
    checked = shell("keys", "rotate", "--check")
    assert checked.code == 7
    assert "4 values under an older key" in checked.last_words

    ended = shell("keys", "rotate")
    assert ended.code == 0
    assert ended.out == f"2 rows sealed anew with key {NEW_ID}\n"
    assert f"Not needed any more: {OLD_ID}" in ended.last_words

    listed = shell("keys", "list")
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [NEW_ID, OLD_ID]
    assert "it can go" in listed.out
    shell.setenv("CALPATCH_VAULT_KEYS", NEW)
    assert shell("keys", "list", "--json").json == [{"id": NEW_ID, "role": "seals", "values": 4}]
    assert "canary" not in ended.out + ended.err + listed.out


def test_its_json_is_for_machines(shell: Shell) -> None:
    """One object, with everything that a script decides by."""
    shell.setenv("CALPATCH_VAULT_KEYS", f"{NEW},{OLD}")
    assert shell("keys", "rotate", "--json").json == {
        "resealed": 2,
        "left": 0,
        "damaged": 0,
        "removable": [OLD_ID],
        "keys": [
            {"id": NEW_ID, "role": "seals", "values": 4},
            {"id": OLD_ID, "role": "opens", "values": 0},
        ],
    }


def test_a_missing_key_is_exit_seven(shell: Shell) -> None:
    """Named with the number of values; what can be done is done."""
    shell.setenv("CALPATCH_VAULT_KEYS", NEW)
    ended = shell("keys", "rotate")
    assert ended.code == 7
    assert f"key {OLD_ID} is missing, 4 values cannot be opened" in ended.err
    assert ended.out == f"0 rows sealed anew with key {NEW_ID}\n"


def test_batches_are_short() -> None:
    """A transaction of thousands of rows would hold up those who refresh."""
    assert rotation_module.BATCH <= 500
