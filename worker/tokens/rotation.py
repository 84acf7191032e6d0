"""Changing the vault's key while everything runs: old values are sealed anew, none is ever lost.

Each batch is a transaction of its own that compares before it swaps. So a run that is killed is
begun again and goes on where it was, and a token that a worker has just refreshed stays.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from worker.errors import VaultError
from worker.store import SEALED, SealedRow, SealedTable, Store
from worker.tokens.vault import Vault, shown_id

#: rows of one transaction: short enough for nobody to wait for it
BATCH = 200
#: times that everything is gone through: what others sealed with an old key meanwhile
ROUNDS = 3


class KeyUse(Struct, frozen=True, kw_only=True):
    """One key and how many values it seals; `role` is seals, opens, or missing from the setting.

    The id "" stands for values that do not even name a key.
    """

    id: str
    role: str
    values: int

    @property
    def is_spare(self) -> bool:
        """It seals nothing and is not the first: the setting need not hold it any more."""
        return self.role == "opens" and not self.values


class Rotated(Struct, frozen=True, kw_only=True):
    """What a rotation did: rows that were sealed anew, and the keys' use afterwards.

    `damaged` counts values that their key does not open: they were tampered with.
    """

    resealed: int
    damaged: int
    keys: list[KeyUse]

    @property
    def left(self) -> int:
        """Values that are not under the first key."""
        return sum(key.values for key in self.keys if key.role != "seals")

    @property
    def removable(self) -> list[str]:
        """The ids of keys that nothing needs any more."""
        return [key.id for key in self.keys if key.is_spare]


def key_uses(store: Store, vault: Vault) -> list[KeyUse]:
    """Return every key of the setting, the first one first, and those that values need besides."""
    counts = Counter[str]()
    for prefix, number in store.rotation.counts().items():
        counts[shown_id(prefix)] += number
    first, *others = vault.key_ids
    known = [KeyUse(id=first, role="seals", values=counts.pop(first, 0))]
    known += [KeyUse(id=each, role="opens", values=counts.pop(each, 0)) for each in others]
    missing = [KeyUse(id=each, role="missing", values=counts[each]) for each in sorted(counts)]
    return known + missing


def rotate(store: Store, vault: Vault, *, actor: str) -> Rotated:
    """Seal everything with the first key.

    What a missing key has sealed stays as it is, and the rest is done: those values are of no use
    until the key is back, and then a second run finds them.
    """
    resealed = damaged = 0
    for _ in range(ROUNDS):
        damaged = 0
        for table in SEALED:
            done, broken = _rotate_table(store, vault, table, actor=actor)
            resealed += done
            damaged += broken
        keys = key_uses(store, vault)
        if not any(key.values for key in keys if key.role == "opens"):
            break
    return Rotated(resealed=resealed, damaged=damaged, keys=keys)


def _rotate_table(store: Store, vault: Vault, table: SealedTable, *, actor: str) -> tuple[int, int]:
    """Go through a table once; returns (rows sealed anew, values that are damaged)."""
    seal_id = vault.key_ids[0]
    done = damaged = 0
    after = ""
    while rows := store.rotation.under_others(table, seal_id.encode(), after=after, limit=BATCH):
        pairs = [(row, [_resealed(vault, each) for each in row.values]) for row in rows]
        changes = [
            (row, SealedRow(row.key, tuple(new)))
            for row, new in ((row, [value for value, _ in pair]) for row, pair in pairs)
            if tuple(new) != row.values
        ]
        damaged += sum(is_damaged for _, pair in pairs for _, is_damaged in pair)
        if changes:
            done += store.rotation.swap(table, changes, actor=actor, key_id=seal_id)
        after = rows[-1].key
    return done, damaged


def _resealed(vault: Vault, sealed: bytes | None) -> tuple[bytes | None, bool]:
    """Return a value under the first key, or as it is; and whether it is damaged."""
    if sealed is None or not vault.needs_rotation(sealed):
        return sealed, False
    try:
        return vault.rotate(sealed), False
    except VaultError:
        return sealed, shown_id(sealed) in vault.key_ids
