"""Sealing tokens: only the right key opens, and only for the right account."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import VaultError
from worker.tokens.vault import Vault, generate_key

OLD, NEW, OTHER = generate_key(), generate_key(), generate_key()
SECRET = "canary-refresh-token"


def told(error: BaseException) -> str:
    """Return all that an error and what is behind it could show."""
    inner = error.__context__
    return "".join([*traceback.format_exception(error), repr(error), repr(inner)])


@given(sub=st.text(), secret=st.text())
def test_what_is_sealed_can_be_opened(sub: str, secret: str) -> None:
    """Any account, any token."""
    vault = Vault([NEW])
    assert vault.open(sub, vault.seal(sub, secret)) == secret


def test_a_sealed_token_shows_neither_token_nor_account() -> None:
    """A dump of the database is of no use (checklist C 1)."""
    sealed = Vault([NEW]).seal("acc_1", SECRET)
    assert SECRET.encode() not in sealed
    assert b"acc_1" not in sealed


def test_the_same_token_is_never_sealed_alike() -> None:
    """Equal rows would tell who shares a token."""
    vault = Vault([NEW])
    assert vault.seal("acc_1", SECRET) != vault.seal("acc_1", SECRET)


@pytest.mark.parametrize("other", ["acc_2", "", "ACC_1", "acc_1 "])
def test_a_row_swapped_between_accounts_does_not_open(other: str) -> None:
    """Somebody with write access to the database gets nobody else's calendar."""
    vault = Vault([NEW])
    with pytest.raises(VaultError, match="belongs to another account"):
        vault.open(other, vault.seal("acc_1", SECRET))


def test_a_missing_key_is_named_by_its_id() -> None:
    """The operator learns which setting lacks which key, and how to go on."""
    sealing = Vault([OLD])
    with pytest.raises(VaultError, match=r"CALPATCH_VAULT_KEYS") as caught:
        Vault([NEW, OTHER]).open("acc_1", sealing.seal("acc_1", SECRET))
    assert sealing.key_ids[0] in str(caught.value)
    assert "Append the former key" in caught.value.next_step


@given(at=st.integers(9, 90), bit=st.integers(0, 7))
def test_a_single_changed_bit_is_noticed(at: int, bit: int) -> None:
    """Nothing is opened halfway."""
    vault = Vault([NEW])
    sealed = bytearray(vault.seal("acc_1", SECRET))
    sealed[at] ^= 1 << bit
    with pytest.raises(VaultError):
        vault.open("acc_1", bytes(sealed))


@given(sealed=st.binary(max_size=120))
def test_garbage_in_a_row_is_a_clear_error(sealed: bytes) -> None:
    """Never a crash, never the row's bytes in the message."""
    with pytest.raises(VaultError) as caught:
        Vault([NEW]).open("acc_1", sealed)
    assert "\n" not in str(caught.value)


def test_another_key_s_id_does_not_help() -> None:
    """The id only finds the key; the key decides."""
    vault = Vault([NEW, OLD])
    _, _, token = vault.seal("acc_1", SECRET).partition(b".")
    with pytest.raises(VaultError, match="damaged"):
        vault.open("acc_1", vault.key_ids[1].encode() + b"." + token)


def test_all_keys_open_and_the_first_one_seals() -> None:
    """That is how a key is changed without a stop."""
    sealed = Vault([OLD]).seal("acc_1", SECRET)
    both = Vault([NEW, OLD])
    assert both.open("acc_1", sealed) == SECRET
    assert both.needs_rotation(sealed)
    assert not both.needs_rotation(both.seal("acc_1", SECRET))


def test_after_rotation_the_old_key_can_go() -> None:
    """The account stays bound, and a second rotation finds nothing to do."""
    both = Vault([NEW, OLD])
    rotated = both.rotate(Vault([OLD]).seal("acc_1", SECRET))
    assert Vault([NEW]).open("acc_1", rotated) == SECRET
    assert not both.needs_rotation(rotated)
    with pytest.raises(VaultError):
        both.open("acc_2", rotated)


@pytest.mark.parametrize(
    "bad",
    ["", "canary-key", NEW[:-2], NEW + "AAAA", "ü" * 44, "=" * 44],
    ids=["empty", "short word", "cut", "too long", "no base64", "only padding"],
)
def test_a_malformed_key_is_refused_by_its_place(bad: str) -> None:
    """The message tells the setting, the place and how to make a key, never the key."""
    with pytest.raises(VaultError) as caught:
        Vault([NEW, bad])
    text = str(caught.value)
    assert "CALPATCH_VAULT_KEYS: key 2 of 2" in text
    assert "calpatch keys new" in text
    assert "\n" not in text
    assert not bad or bad not in told(caught.value)


def test_no_key_at_all_is_refused() -> None:
    """Tokens are never kept in the open instead."""
    with pytest.raises(VaultError, match="CALPATCH_VAULT_KEYS is empty"):
        Vault([])


def test_a_vault_shows_nothing() -> None:
    """Neither keys nor their number."""
    vault = Vault([NEW, OLD])
    assert NEW not in repr(vault)
    assert OLD not in repr(vault)
    assert not hasattr(vault, "__dict__")
