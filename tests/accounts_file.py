"""Importing the simulator's accounts file without the command line."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

from worker.settings import Settings
from worker.store import NewAccount, Store
from worker.tokens import Vault


def import_accounts(path: Path, store: Store, settings: Settings) -> None:
    """Seal and store the accounts of a CSV file."""
    vault = Vault(settings.keys)
    with path.open(newline="") as file:
        accounts = [
            NewAccount(
                sub=row["sub"],
                access_token=vault.seal(row["sub"], row["access_token"]),
                refresh_token=vault.seal(row["sub"], row["refresh_token"]),
                data_center=row["data_center"],
                label=row["label"],
                expires_at=datetime.fromisoformat(row["expires_at"]) if row["expires_at"] else None,
            )
            for row in csv.DictReader(file)
        ]
    store.accounts.import_all(accounts, actor="test")
