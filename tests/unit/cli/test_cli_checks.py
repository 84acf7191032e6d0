"""What the doctor finds: each fault with its next step, and nothing of a secret."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.cli.commands import complete_settings
from tests.unit.report.campaigns import a_store
from worker.cli.checks import Finding, _numbers, _version, examine
from worker.model import AccountStatus
from worker.settings import Settings
from worker.store import NewAccount, Store
from worker.tokens import Vault


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Complete settings with a database, and nothing else that answers."""
    url = f"sqlite:///{tmp_path / 'calpatch.db'}"
    return complete_settings() | {"CALPATCH_DATABASE_URL": url}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The migrated database."""
    return a_store(tmp_path / "calpatch.db")


def found(environ: dict[str, str]) -> dict[str, Finding]:
    """Return the findings by name."""
    return {each.name: each for each in examine(Settings.load(environ))}


def add_accounts(store: Store, environ: dict[str, str], *subs: str) -> None:
    """Import accounts sealed with the environment's key."""
    vault = Vault([environ["CALPATCH_VAULT_KEYS"]])
    sealed = [
        NewAccount(sub=sub, access_token=vault.seal(sub, "a"), refresh_token=vault.seal(sub, "r"))
        for sub in subs
    ]
    store.accounts.import_all(sealed, actor="test")


def test_the_database_tells_its_kind_and_schema(environ: dict[str, str], store: Store) -> None:
    """Half of all questions end here."""
    assert store is not None
    finding = found(environ)["database"]
    assert finding.status == "ok"
    assert finding.detail.startswith("SQLite 3.")


def test_every_failure_has_a_next_step(environ: dict[str, str]) -> None:
    """A fault without a way out is only bad news."""
    for name in environ:
        for value in ("", "nonsense"):
            for finding in found(environ | {name: value}).values() if value else ():
                assert finding.status == "ok" or finding.next_step


def test_no_finding_shows_a_secret(environ: dict[str, str], store: Store) -> None:
    """Doctor's output is pasted into tickets."""
    add_accounts(store, environ, "acc_1")
    secret = {
        "CALPATCH_REDIS_URL": "redis://:canary@127.0.0.1:9/0",
        "CALPATCH_API_URL": "http://canary:canary@127.0.0.1:9",
        "CALPATCH_CRONOFY_CLIENT_SECRET": "canary",
        "CALPATCH_VAULT_KEYS": "canary-key",
    }
    text = repr(list(found(environ | secret).values()))
    assert "canary" not in text
    assert text.count("'fail'") == 3


def test_locked_and_lost_accounts_are_named(environ: dict[str, str], store: Store) -> None:
    """Their owners must do something; the rest of the campaign goes on."""
    add_accounts(store, environ, "acc_1", "acc_2", "acc_3", "acc_4", "acc_5", "acc_6")
    for sub in ("acc_1", "acc_2", "acc_3", "acc_4"):
        store.accounts.set_status(sub, AccountStatus.PARKED, reason="account_locked", actor="test")
    store.accounts.set_status("acc_5", AccountStatus.LOST, reason="account_lost", actor="test")
    details = [each.detail for each in examine(Settings.load(environ)) if each.name == "accounts"]
    assert details == ["4 locked: acc_1, acc_2, acc_3, …", "1 lost: acc_5"]


def test_signs_of_life_are_told(environ: dict[str, str], store: Store) -> None:
    """The clock and each worker leave one every second."""
    store.queue.beat("clock")
    store.queue.beat("worker:host:1")
    findings = found(environ)
    assert (findings["clock"].status, findings["workers"].detail) == (
        "ok",
        "1 seen in the last 30 s",
    )


def test_an_outage_is_told_with_its_next_try(environ: dict[str, str], store: Store) -> None:
    """What the workers find, which may reach the API otherwise than this host."""
    store.queue.note_outage("us", wait_s=60)
    store.queue.note_outage("de", wait_s=-60)
    store.queue.note_outage("uk", wait_s=0)
    outages = [one.detail for one in examine(Settings.load(environ)) if one.name == "outage"]
    assert len(outages) == 2
    assert "(data center uk); trying again" in outages[0]
    assert "(data center us); next try in " in outages[1]


def test_a_host_that_answers_is_reached(environ: dict[str, str]) -> None:
    """A connection is enough: no call is made, so none is counted against the limit."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = found(environ | {"CALPATCH_API_URL": f"http://127.0.0.1:{port}"})["api"]
    assert (finding.status, finding.detail) == ("ok", f"127.0.0.1:{port} answers")


def test_valkey_is_called_by_its_name() -> None:
    """It says that it is Redis 7.2.4 as well."""
    assert _version({"redis_version": "7.2.4", "valkey_version": "9.1.2"}) == "Valkey 9.1.2"
    assert _version({"redis_version": "7.2.4"}) == "Redis 7.2.4"


def test_versions_are_compared_as_numbers() -> None:
    """3.9 is older than 3.38."""
    assert _numbers("3.9.2") < _numbers("3.38.0") < _numbers("3.40.1")
