"""What the doctor finds: each fault with its next step, and nothing of a secret."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.cli.commands import complete_settings
from tests.unit.report.campaigns import a_store
from worker.cli.checks import Finding, _is_near, _numbers, _redis_server, _version, examine
from worker.model import AccountStatus
from worker.settings import Settings
from worker.store import NewAccount, Store
from worker.tokens import Vault, generate_key, rotate


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


@pytest.mark.parametrize(
    ("server", "known"),
    [
        ({"redis_version": "6.2.19"}, "CVE-2025-49844"),
        ({"redis_version": "6.2.20"}, ""),
        ({"redis_version": "7.0.15"}, "CVE-2025-49844"),
        ({"redis_version": "7.2.0"}, "CVE-2026-23479"),
        ({"redis_version": "8.6.2"}, "CVE-2026-23479"),
        ({"redis_version": "8.6.3"}, ""),
        ({"redis_version": "8.10.0"}, ""),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.10"}, "CVE-2025-49844"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.7"}, "CVE-2026-23479"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.8"}, ""),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.6"}, "CVE-2026-23479"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.7"}, ""),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.3"}, "CVE-2026-23479"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, ""),
        ({}, ""),
    ],
)
def test_a_server_with_a_known_flaw_is_named(server: dict[str, str], known: str) -> None:
    """Valkey counts its own versions, and no ACL helps: the flaws are in commands that we need."""
    finding = _redis_server(server)
    assert finding.status == ("warn" if known else "ok")
    assert known in finding.detail
    assert not known or " or newer" in finding.next_step


def test_a_database_that_others_may_read_is_told(
    environ: dict[str, str], store: Store, tmp_path: Path
) -> None:
    """It holds texts of events."""
    assert "file" not in found(environ)
    (tmp_path / "calpatch.db").chmod(0o644)
    finding = found(environ)["file"]
    assert (finding.status, finding.next_step) == ("warn", "chmod 600 calpatch.db")


def test_keys_are_told_when_they_should_change(environ: dict[str, str], store: Store) -> None:
    """First that tokens need rotating, then that the old key can go."""
    add_accounts(store, environ, "acc_1")
    assert "keys" not in found(environ)
    old, new = environ["CALPATCH_VAULT_KEYS"], generate_key()
    both = environ | {"CALPATCH_VAULT_KEYS": f"{new},{old}"}
    finding = found(both)["keys"]
    assert (finding.status, finding.next_step) == ("warn", "Run `calpatch keys rotate`")
    assert finding.detail == "2 values sealed with an older key"
    rotate(store, Vault([new, old]), actor="test")
    finding = found(both)["keys"]
    assert finding.detail == f"not needed any more: {Vault([old]).key_ids[0]}"
    assert "keys" not in found(environ | {"CALPATCH_VAULT_KEYS": new})


@pytest.mark.parametrize(
    ("host", "near"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("api.example", False),
     ("10.0.0.1", False), ("169.254.169.254", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_only_this_machine_is_near(host: str, near: bool) -> None:
    """Tokens in the open may not pass a network, not even one's own."""
    assert _is_near(host) is near


def test_versions_are_compared_as_numbers() -> None:
    """3.9 is older than 3.38."""
    assert _numbers("3.9.2") < _numbers("3.38.0") < _numbers("3.40.1")
