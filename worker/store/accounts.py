"""Accounts: sealed tokens, refreshed by one process at a time, and why one is out of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, text

from worker.model import AccountStatus, Calendar
from worker.store.chains import note_named
from worker.store.database import Database
from worker.store.rows import account_of
from worker.store.tables import UtcTime
from worker.store.values import Account, NewAccount, Note

_IMPORT = """
INSERT INTO accounts (sub, label, data_center, access_token, refresh_token, expires_at, status,
                      updated_at)
VALUES (:sub, :label, :data_center, :access_token, :refresh_token, :expires_at, 'active', {now})
ON CONFLICT (sub) DO UPDATE SET
  label = excluded.label, data_center = excluded.data_center,
  access_token = excluded.access_token, refresh_token = excluded.refresh_token,
  expires_at = excluded.expires_at, token_version = accounts.token_version + 1,
  refresh_until = NULL, status = 'active', reason = '', retry_at = NULL,
  calendars = NULL, calendars_at = NULL, updated_at = excluded.updated_at
"""


class Accounts:
    """Every statement about accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        age = database.age_sql
        self._columns = (
            "a.sub, a.label, a.data_center, a.access_token, a.refresh_token, a.token_version,"
            " a.status AS account_status, a.reason AS account_reason, a.calendars,"
            f" -{age('a.expires_at')} AS expires_in_s,"
            f" -{age('a.retry_at')} AS account_retry_in_s,"
            f" {age('a.calendars_at')} AS calendars_age_s"
        )

    @property
    def columns(self) -> str:
        """The select list that `account_of` reads, for statements that join accounts as `a`."""
        return self._columns

    def import_all(self, accounts: Sequence[NewAccount], *, actor: str) -> tuple[int, int]:
        """Insert or replace accounts, which are active again then; returns (new, replaced)."""
        sql = text(_IMPORT.format(now=self._database.now_sql)).bindparams(
            bindparam("expires_at", type_=UtcTime())
        )
        # By name: two imports at once would lock each other out otherwise. The last one counts.
        rows = {account.sub: asdict(account) for account in accounts}
        note = Note(actor=actor, action="accounts.imported", detail={"accounts": len(rows)})

        def work(connection: Connection) -> tuple[int, int]:
            self._database.lock(connection, "accounts")
            known = set(connection.execute(text("SELECT sub FROM accounts")).scalars())
            if rows:
                connection.execute(sql, [rows[sub] for sub in sorted(rows)])
            note_named(self._database, connection, notes=[note], chain="accounts")
            replaced = len(known & rows.keys())
            return len(rows) - replaced, replaced

        return self._database.run(work)

    def subs(self) -> set[str]:
        """Return the names of all accounts."""
        with self._database.read() as connection:
            return set(connection.execute(text("SELECT sub FROM accounts")).scalars())

    def labels(self) -> set[str]:
        """Return the labels that accounts have; none is the empty one."""
        with self._database.read() as connection:
            sql = "SELECT DISTINCT label FROM accounts WHERE label <> ''"
            return set(connection.execute(text(sql)).scalars())

    def all(self) -> list[Account]:
        """Return all accounts, by name."""
        return self._select("ORDER BY a.sub", {})

    def get(self, sub: str) -> Account | None:
        """Return one account, or None."""
        found = self._select("WHERE a.sub = :sub", {"sub": sub})
        return found[0] if found else None

    def forget(self, sub: str, *, actor: str) -> bool:
        """Delete an account and its tokens; its edits and audit stay. False when there is none."""
        note = Note(actor=actor, action="account.forgotten")

        def work(connection: Connection) -> bool:
            sql = text("DELETE FROM accounts WHERE sub = :sub")
            if not connection.execute(sql, {"sub": sub}).rowcount:
                return False
            note_named(self._database, connection, notes=[note], chain=f"account:{sub}")
            return True

        return self._database.run(work)

    def set_status(
        self,
        sub: str,
        status: AccountStatus,
        *,
        reason: str = "",
        retry_in_s: float | None = None,
        actor: str,
    ) -> None:
        """Activate, park or lose an account; says so in the audit when that changes anything."""
        retry_at = self._database.later_sql("retry_in") if retry_in_s is not None else "NULL"
        sql = "UPDATE accounts SET status = :status, reason = :reason"
        values: dict[str, Any] = {"sub": sub, "status": str(status), "reason": reason}
        if retry_in_s is not None:
            values["retry_in"] = retry_in_s
        look = f"SELECT status, reason FROM accounts WHERE sub = :sub{self._database.for_update}"
        note = Note(actor=actor, action=f"account.{status}", code=reason)

        def work(connection: Connection) -> None:
            before = connection.execute(text(look), {"sub": sub}).first()
            connection.execute(text(f"{sql}, retry_at = {retry_at} WHERE sub = :sub"), values)
            if before is not None and tuple(before) != (str(status), reason):
                note_named(self._database, connection, notes=[note], chain=f"account:{sub}")

        self._database.run(work)

    def take_refresh(self, sub: str, *, version: int, lease_s: float) -> bool:
        """Become the one process that refreshes an account; False when another one is, or has."""
        now, until = self._database.now_sql, self._database.later_sql("lease")
        return self._update(
            f"UPDATE accounts SET refresh_until = {until}"
            " WHERE sub = :sub AND token_version = :version"
            f" AND (refresh_until IS NULL OR refresh_until < {now})",
            {"sub": sub, "version": version, "lease": lease_s},
        )

    def keep_refresh(self, sub: str, *, version: int, lease_s: float) -> bool:
        """Go on being the one that refreshes; False when that is over."""
        now, until = self._database.now_sql, self._database.later_sql("lease")
        return self._update(
            f"UPDATE accounts SET refresh_until = {until}"
            f" WHERE sub = :sub AND token_version = :version AND refresh_until >= {now}",
            {"sub": sub, "version": version, "lease": lease_s},
        )

    def drop_refresh(self, sub: str, *, version: int) -> None:
        """Let go of the refresh without new tokens."""
        self._update(
            "UPDATE accounts SET refresh_until = NULL"
            " WHERE sub = :sub AND token_version = :version",
            {"sub": sub, "version": version},
        )

    def save_tokens(
        self,
        sub: str,
        *,
        access_token: bytes,
        refresh_token: bytes,
        expires_in_s: float,
        version: int,
    ) -> bool:
        """Store new tokens over `version`, before anybody uses them; False when that is gone."""
        return self._update(
            "UPDATE accounts SET access_token = :access, refresh_token = :refresh,"
            f" expires_at = {self._database.later_sql('expires_in')},"
            " token_version = token_version + 1, refresh_until = NULL,"
            f" updated_at = {self._database.now_sql}"
            " WHERE sub = :sub AND token_version = :version",
            {
                "sub": sub,
                "access": access_token,
                "refresh": refresh_token,
                "expires_in": expires_in_s,
                "version": version,
            },
        )

    def save_calendars(self, sub: str, calendars: Sequence[Calendar]) -> None:
        """Remember an account's calendars, so that all processes share one reading of them."""
        now = self._database.now_sql
        self._update(
            f"UPDATE accounts SET calendars = :calendars, calendars_at = {now} WHERE sub = :sub",
            {"sub": sub, "calendars": msgspec.json.encode(calendars).decode()},
        )

    def doubt_calendars(self, sub: str) -> None:
        """Have an account's calendars listed anew before they are believed again."""
        self._update("UPDATE accounts SET calendars_at = NULL WHERE sub = :sub", {"sub": sub})

    def _update(self, sql: str, values: dict[str, Any]) -> bool:
        return self._database.run(
            lambda connection: connection.execute(text(sql), values).rowcount == 1
        )

    def _select(self, tail: str, values: dict[str, Any]) -> list[Account]:
        sql = text(f"SELECT {self._columns} FROM accounts a {tail}")
        with self._database.read() as connection:
            return [account_of(row) for row in connection.execute(sql, values)]
