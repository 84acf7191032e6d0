"""The accounts' keys for images: made when first needed, sealed by the vault, dropped to erase."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, text

from worker.errors import VaultError
from worker.store.database import Database
from worker.store.sealing import KEY_BYTES, Images, Keyring


class ImageKeys:
    """Every statement about the keys, and what is made of them.

    Without a keyring nothing is sealed, and what is sealed does not open: only tests have such a
    store. `seals` False writes plain images, which calpatch before 0004 can read.
    """

    def __init__(
        self, database: Database, keyring: Keyring | None = None, *, seals: bool = True
    ) -> None:
        self._database = database
        self._keyring = keyring
        #: whether what is written is sealed
        self.seals = seals and keyring is not None

    # ------------------------------------------------------------ use

    def take(
        self, connection: Connection, account: str, *, known: bytes | None = None
    ) -> bytes | None:
        """Return an account's key, made now if it has none; None without a keyring.

        `known` is its sealed key, if the caller has read it. Two at once get the same one: the
        second waits for the first one's row. Raises VaultError when the keyring does not open it.
        """
        if self._keyring is None:
            return None
        sealed = known or self._sealed(connection, account)
        if sealed is None:
            self._make(connection, account, self._keyring)
            sealed = self._sealed(connection, account)
        return self.opened(account, sealed)

    def opened(self, account: str, sealed: bytes | None) -> bytes | None:
        """Open a sealed key; None for none, and without a keyring. Raises VaultError."""
        if sealed is None or self._keyring is None:
            return None
        try:
            key = bytes.fromhex(self._keyring.open(_owner(account), bytes(sealed)))
        except VaultError as closed:
            raise VaultError(
                f"The images of account {account} cannot be opened: {closed.message}",
                next_step=closed.next_step,
            ) from None
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise VaultError(
                f"The image key of account {account} was changed by hand",
                next_step="Restore its row of image_keys from a backup",
            )
        return key

    def images(
        self, *, campaign_id: str, campaign_key: bytes | None, account_key: bytes | None
    ) -> Images:
        """Return what seals and opens the images of an account's edits in a campaign."""
        return Images(
            campaign_id=campaign_id,
            campaign_key=campaign_key,
            account_key=account_key,
            seals=self.seals,
        )

    def _sealed(self, connection: Connection, account: str) -> bytes | None:
        sql = text("SELECT sealed FROM image_keys WHERE account = :account")
        row = connection.execute(sql, {"account": account}).first()
        return bytes(row.sealed) if row is not None else None

    def _make(self, connection: Connection, account: str, keyring: Keyring) -> None:
        sealed = keyring.seal(_owner(account), secrets.token_bytes(KEY_BYTES).hex())
        connection.execute(
            text(
                "INSERT INTO image_keys (account, sealed, created_at)"
                f" VALUES (:account, :sealed, {self._database.now_sql})"
                " ON CONFLICT (account) DO NOTHING"
            ),
            {"account": account, "sealed": sealed},
        )


def _owner(account: str) -> str:
    """Return under which name the vault binds a key: no token opens in its place, nor it in one's.

    No account is called so: subs have no spaces.
    """
    return f"images of {account}"
