"""Images of people's events, sealed at rest: readable with two keys, worthless without either.

An image's key is derived from the campaign's (retention drops it) and the account's (erasing a
person drops it). AES-GCM binds each value to its campaign, line and column, so that one put
elsewhere by hand does not open. The same two keys make the digests by which the audit names images.

Stored is `s1:` and base64 of nonce and ciphertext; what begins with a brace is a plain image, as
calpatch wrote it before 0004 and writes it while `CALPATCH_SEAL_IMAGES` is false. Measured: 3 µs to
seal an image of 500 bytes, 5 µs to open it; an edit needs two of each. With the longer rows that is
20 µs an edit of processor time in SQLite, 40 where each event has a description of 300 characters.
"""

from __future__ import annotations

import os
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from hashlib import blake2b
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from worker.errors import VaultError
from worker.model import Image

#: bytes of an account's key, and of a campaign's
KEY_BYTES: Final = 32

_SEALED: Final = "s1:"
_NONCE_BYTES: Final = 12
#: what the derived keys are for (blake2b takes up to 16 bytes)
_SEALING, _DIGESTING = b"calpatch images", b"calpatch digests"

_image = msgspec.json.Decoder(Image)
_encode = msgspec.json.Encoder().encode

Which: TypeAlias = Literal["before", "target", "seen"]
#: the columns of an edit that hold images
WHICH: Final[tuple[Which, ...]] = ("before", "target", "seen")


class Keyring(Protocol):
    """What seals the accounts' keys: a vault, which lies above the store."""

    def seal(self, sub: str, secret: str) -> bytes:
        """Encrypt a secret that belongs to `sub`."""
        ...

    def open(self, sub: str, sealed: bytes) -> str:
        """Decrypt what was sealed for `sub`; raises VaultError."""
        ...


class Unopened(Exception):
    """Raised for an image that does not open: damaged, moved here by hand, or its key is gone."""


class Images:
    """The images of one account's edits in one campaign: nothing is derived for a single edit."""

    __slots__ = ("_aead", "_bound", "_digest_key", "_refused", "_seals")

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_key: bytes | None,
        account_key: bytes | None,
        seals: bool = True,
    ) -> None:
        """`account_key` None: there is no keyring, or the account has no key."""
        self._bound = f"{campaign_id}\0".encode()
        self._seals = seals
        self._aead = None
        self._digest_key = campaign_key or b""
        if campaign_key is not None and account_key is not None:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._refused = InvalidTag
            self._aead = AESGCM(_derived(campaign_key, account_key, person=_SEALING))
            self._digest_key = _derived(campaign_key, account_key, person=_DIGESTING)

    def stored(self, image: Image, *, line_no: int, which: Which) -> str:
        """Return an image as it is stored. Raises VaultError where it cannot be sealed."""
        plain = _encode(image)
        if not self._seals:
            return plain.decode()
        if self._aead is None:
            raise VaultError("An image cannot be sealed: its account or campaign has no key")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, plain, self._about(line_no, which))
        return _SEALED + b2a_base64(nonce + sealed, newline=False).decode("ascii")

    def read(self, stored: str | None, *, line_no: int, which: Which) -> Image | None:
        """Read a stored image; None when there is none. Raises Unopened."""
        if not stored:
            return None
        if not stored.startswith(_SEALED):
            return _image.decode(stored)
        return _image.decode(self._opened(stored, self._about(line_no, which)))

    def digest(self, image: Image) -> str:
        """Return a short keyed digest: comparable within a campaign, nothing to guess from."""
        return blake2b(_encode(image), key=self._digest_key, digest_size=16).hexdigest()

    def _opened(self, stored: str, about: bytes) -> bytes:
        if self._aead is None:
            raise Unopened
        try:
            sealed = a2b_base64(stored[len(_SEALED) :])
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (self._refused, BinasciiError, ValueError):
            raise Unopened from None

    def _about(self, line_no: int, which: Which) -> bytes:
        return b"%b%d\0%b" % (self._bound, line_no, which.encode())

    def __repr__(self) -> str:
        return "Images(…)"


def _derived(campaign_key: bytes, account_key: bytes, *, person: bytes) -> bytes:
    """Mix two secrets of 256 random bits each; neither alone tells anything of the outcome."""
    return blake2b(account_key, key=campaign_key, person=person, digest_size=KEY_BYTES).digest()
