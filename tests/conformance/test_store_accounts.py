"""Accounts: sealed tokens kept as they are, one refresh at a time, out of use for a reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import a_calendar
from tests.conformance.stores import S, an_account, execute, run_to, states, submit
from worker.model import AccountStatus
from worker.store import Account, Store


def get(store: Store, sub: str = "acc_1") -> Account:
    """Return an account that is there."""
    found = store.accounts.get(sub)
    assert found is not None
    return found


@pytest.fixture
def account(store: Store) -> Account:
    """An imported account, version 0, nobody refreshing."""
    store.accounts.import_all([an_account()], actor="ada")
    return get(store)


def test_an_account_comes_back_as_it_was_imported(store: Store) -> None:
    """Sealed tokens are bytes of any kind; the expiry is told as seconds from now."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    one = an_account(label="Ünï", data_center="de", expires_at=expires)
    assert store.accounts.import_all([one, an_account("acc_2")], actor="ada") == (2, 0)
    found = get(store)
    assert (found.label, found.data_center, found.status) == ("Ünï", "de", AccountStatus.ACTIVE)
    assert (found.access_token, found.refresh_token) == (one.access_token, one.refresh_token)
    assert found.expires_in_s is not None
    assert 3500 < found.expires_in_s <= 3601
    assert get(store, "acc_2").expires_in_s is None
    assert store.accounts.subs() == {"acc_1", "acc_2"}
    assert [one.sub for one in store.accounts.all()] == ["acc_1", "acc_2"]


def test_labels_are_those_that_accounts_have(store: Store) -> None:
    """Campaigns select by them, and a misspelt one must not select nobody."""
    assert store.accounts.labels() == set()
    labels = {"acc_1": "paris", "acc_2": "Ünï", "acc_3": "paris", "acc_4": ""}
    ours = [an_account(sub, label=label) for sub, label in labels.items()]
    store.accounts.import_all(ours, actor="ada")
    assert store.accounts.labels() == {"paris", "Ünï"}


def test_tokens_are_in_no_repr(account: Account) -> None:
    """Not even sealed ones: a value is printed before one thinks (law 9)."""
    assert "sealed" not in repr(account) + repr(an_account())


def test_importing_again_replaces_and_revives(store: Store, account: Account) -> None:
    """A new authorization makes a lost account usable; the last line of a file counts."""
    store.accounts.set_status("acc_1", AccountStatus.LOST, reason="account_lost", actor="w")
    store.accounts.save_calendars("acc_1", [a_calendar()])
    new = [an_account(access_token=b"old"), an_account(access_token=b"new"), an_account("acc_2")]
    assert store.accounts.import_all(new, actor="ada") == (1, 1)
    found = get(store)
    assert (found.access_token, found.status, found.reason) == (b"new", AccountStatus.ACTIVE, "")
    assert found.token_version == account.token_version + 1
    assert found.calendars == ()


def test_importing_nothing_is_fine(store: Store) -> None:
    """An empty file is no error here."""
    assert store.accounts.import_all([], actor="ada") == (0, 0)


def test_imports_at_once_do_not_lock_each_other_out(store: Store) -> None:
    """Whatever the order of their lines."""
    names = [f"acc_{number}" for number in range(30)]

    def one(number: int) -> tuple[int, int]:
        turned = names[number:] + names[:number]
        return store.accounts.import_all([an_account(name) for name in turned], actor="ada")

    with ThreadPoolExecutor(6) as threads:
        counted = list(threads.map(one, range(0, 30, 5)))
    assert sum(new for new, _ in counted) == 30
    assert store.audit.verify() == (6, [])


# ---------------------------------------------------------------- refreshing


def test_of_eight_threads_one_refreshes(store: Store, account: Account) -> None:
    """Two refreshes of one token would make one of the answers worthless (faults 17, 19)."""
    with ThreadPoolExecutor(8) as threads:
        taken = threads.map(
            lambda _: store.accounts.take_refresh("acc_1", version=0, lease_s=60), range(8)
        )
        assert sorted(taken) == [False] * 7 + [True]


def test_a_refresher_that_died_is_replaced(store: Store, account: Account) -> None:
    """Its lease runs out by the database's clock."""
    assert store.accounts.take_refresh("acc_1", version=0, lease_s=-1)
    assert store.accounts.take_refresh("acc_1", version=0, lease_s=60)
    store.accounts.drop_refresh("acc_1", version=0)
    assert store.accounts.take_refresh("acc_1", version=0, lease_s=60)


def test_new_tokens_are_stored_over_the_version_they_came_from(
    store: Store, account: Account
) -> None:
    """Who comes late with tokens of an older version has refreshed in vain, and is told so."""
    save = store.accounts.save_tokens
    new = {"access_token": b"a2", "refresh_token": b"r2", "expires_in_s": 600.0}
    store.accounts.take_refresh("acc_1", version=0, lease_s=60)
    assert save("acc_1", version=0, **new)  # type: ignore[arg-type]
    assert not save("acc_1", version=0, **new | {"access_token": b"late"})  # type: ignore[arg-type]
    found = get(store)
    assert (found.access_token, found.refresh_token, found.token_version) == (b"a2", b"r2", 1)
    assert found.expires_in_s is not None
    # SQLite counts days as floats, of which a second has some millionths to spare.
    assert 500 < found.expires_in_s <= 600.001
    assert not store.accounts.take_refresh("acc_1", version=0, lease_s=60)
    assert store.accounts.take_refresh("acc_1", version=1, lease_s=60)


# ---------------------------------------------------------------- status


def test_a_parked_account_is_usable_again_after_its_time(store: Store, account: Account) -> None:
    """Locked credentials (423) are tried again after a while; without a time, after a check."""
    park = store.accounts.set_status
    park("acc_1", AccountStatus.PARKED, reason="account_locked", retry_in_s=60, actor="w")
    found = get(store)
    assert (found.status, found.reason, found.usable) == (
        AccountStatus.PARKED,
        "account_locked",
        False,
    )
    park("acc_1", AccountStatus.PARKED, reason="account_locked", retry_in_s=-1, actor="w")
    assert get(store).usable
    park("acc_1", AccountStatus.PARKED, reason="account_locked", actor="w")
    assert not get(store).usable
    park("acc_1", AccountStatus.ACTIVE, actor="ada")
    assert get(store).usable


def test_a_change_of_status_is_told_once(store: Store, account: Account) -> None:
    """Every worker that meets a locked account says so; the audit needs it once."""
    for _ in range(3):
        store.accounts.set_status(
            "acc_1", AccountStatus.PARKED, reason="account_locked", retry_in_s=9, actor="w"
        )
    store.accounts.set_status("nobody", AccountStatus.LOST, actor="w")
    found = execute(
        store, "SELECT count(*), max(action), max(code) FROM audit WHERE chain LIKE '%:%'"
    )
    assert tuple(found) == (1, "account.parked", "account_locked")


def test_statuses_that_change_at_once_keep_the_chain_whole(store: Store, account: Account) -> None:
    """An account's chain has no row to lock; its entries follow one another all the same."""
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: store.accounts.set_status(
                    "acc_1", AccountStatus.PARKED, reason=f"reason {number}", actor="w"
                ),
                range(16),
            )
        )
    assert store.audit.verify() == (17, [])


# ---------------------------------------------------------------- calendars, forgetting


def test_calendars_are_remembered_with_their_age(store: Store, account: Account) -> None:
    """All processes share one reading of them."""
    assert account.calendars_age_s is None
    calendars = (a_calendar(), a_calendar(calendar_id="cal_2", read_only=True))
    store.accounts.save_calendars("acc_1", calendars)
    found = get(store)
    assert found.calendars == calendars
    assert found.calendars_age_s is not None
    assert -1 < found.calendars_age_s < 60


def test_forgetting_an_account_keeps_what_was_done(store: Store, account: Account) -> None:
    """Its tokens are gone; its edits and the audit are not its own."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    before = store.audit.verify()[0]
    assert store.accounts.forget("acc_1", actor="ada")
    assert not store.accounts.forget("acc_1", actor="ada")
    assert store.accounts.get("acc_1") is None
    assert states(store) == {2: (S.VERIFIED, "")}
    assert store.audit.verify() == (before + 1, [])
