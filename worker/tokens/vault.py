"""Seals tokens for the database, and opens them again (law 9). Pure: no SQL, no settings.

A sealed token is bound to its account, so that a row swapped by hand does not open. It begins with
the id of the key that sealed it (a digest, of no use without the key), so that a missing key is
named and rows under an old key can be found without opening them.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from worker.errors import VaultError

_SETTING = "CALPATCH_VAULT_KEYS"
_NEW_KEY = f"Make a key with `calpatch keys new` and put it into {_SETTING}"
#: a Fernet key before base64
_KEY_BYTES = 32
#: hex digits of a key's id
_ID_LENGTH = 8

_plain = msgspec.json.Decoder(tuple[str, str])


def generate_key() -> str:
    """Make a new key, as text for the setting."""
    return Fernet.generate_key().decode("ascii")


class Vault:
    """Holds the keys: the first one seals, all of them open."""

    __slots__ = ("_keys", "_seal_id")

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise VaultError(f"{_SETTING} is empty", next_step=_NEW_KEY)
        self._keys: dict[str, Fernet] = {}
        for position, key in enumerate(keys, start=1):
            self._keys[_key_id(key)] = _fernet(key, position=position, count=len(keys))
        self._seal_id = next(iter(self._keys))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys, the sealing one first; fit to be shown."""
        return tuple(self._keys)

    def seal(self, sub: str, secret: str) -> bytes:
        """Encrypt a secret of the account `sub`."""
        token = self._keys[self._seal_id].encrypt(msgspec.json.encode((sub, secret)))
        return self._seal_id.encode("ascii") + b"." + token

    def open(self, sub: str, sealed: bytes) -> str:
        """Decrypt a secret; raises VaultError unless it was sealed for `sub` by a known key."""
        owner, secret = self._open(sealed)
        if not compare_digest(owner.encode(), sub.encode()):
            raise VaultError(
                f"A sealed token of account {sub} belongs to another account",
                next_step="The row was changed by hand; import the account's token again",
            )
        return secret

    def needs_rotation(self, sealed: bytes) -> bool:
        """Tell whether another key than the first sealed this; does not open it."""
        return sealed[:_ID_LENGTH] != self._seal_id.encode("ascii")

    def rotate(self, sealed: bytes) -> bytes:
        """Seal again with the first key, for the same account."""
        return self.seal(*self._open(sealed))

    def _open(self, sealed: bytes) -> tuple[str, str]:
        key_id, _, token = bytes(sealed).partition(b".")
        fernet = self._keys.get(key_id.decode("ascii", "replace"))
        if fernet is None:
            raise VaultError(
                f"A token was sealed with a key that {_SETTING} does not hold{_named(key_id)}",
                next_step=f"Append the former key to {_SETTING}, behind the new one",
            )
        try:
            return _plain.decode(fernet.decrypt(token))
        except (InvalidToken, msgspec.DecodeError):
            raise VaultError(
                "A sealed token is damaged or was tampered with",
                next_step="Import the account's token again",
            ) from None

    def __repr__(self) -> str:
        return "Vault(…)"


def _fernet(key: str, *, position: int, count: int) -> Fernet:
    if not _is_key(key):
        raise VaultError(
            f"{_SETTING}: key {position} of {count} is not a key (44 characters of base64)",
            next_step=_NEW_KEY,
        )
    return Fernet(key)


def _is_key(key: str) -> bool:
    """Tell whether a text is exactly one key: decoding alone lets pass what it does not know."""
    try:
        raw = urlsafe_b64decode(key)
    except ValueError:
        return False
    return len(raw) == _KEY_BYTES and urlsafe_b64encode(raw).decode("ascii") == key


def _key_id(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()[:_ID_LENGTH]


def shown_id(sealed: bytes) -> str:
    """Return the id of the key that sealed this, fit to be shown; "" if it looks like none.

    Anything else may be anything, a token in the open included.
    """
    text = sealed[:_ID_LENGTH].decode("ascii", "replace")
    is_id = len(text) == _ID_LENGTH and all(digit in "0123456789abcdef" for digit in text)
    return text if is_id else ""


def _named(key_id: bytes) -> str:
    text = shown_id(key_id) if len(key_id) == _ID_LENGTH else ""
    return f" (its id is {text})" if text else ""
