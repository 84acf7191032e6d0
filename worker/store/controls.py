"""Switches for everybody: a freeze, in which no campaign sends anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from worker.errors import Held
from worker.store.database import Database
from worker.store.tables import UtcTime

FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Who froze everything, when and why."""

    actor: str
    reason: str
    at: datetime


def freeze_in(connection: Connection) -> Freeze | None:
    """Return the freeze that is in force; None when there is none."""
    sql = text("SELECT actor, reason, at FROM controls WHERE name = :name").columns(at=UtcTime())
    row = connection.execute(sql, {"name": FROZEN}).first()
    return Freeze(actor=row.actor, reason=row.reason, at=row.at) if row else None


def set_freeze(database: Database, connection: Connection, *, actor: str, reason: str) -> None:
    """Put a freeze in force, or give it another reason."""
    connection.execute(
        text(
            "INSERT INTO controls (name, actor, reason, at)"
            f" VALUES (:name, :actor, :reason, {database.now_sql}) ON CONFLICT (name) DO UPDATE"
            " SET actor = excluded.actor, reason = excluded.reason, at = excluded.at"
        ),
        {"name": FROZEN, "actor": actor, "reason": reason},
    )


def lift_freeze(connection: Connection) -> bool:
    """End the freeze; False when there was none."""
    sql = text("DELETE FROM controls WHERE name = :name")
    return connection.execute(sql, {"name": FROZEN}).rowcount == 1


def refuse_frozen(connection: Connection) -> None:
    """Raise Held while everything is frozen."""
    frozen = freeze_in(connection)
    if frozen is not None:
        raise Held(
            f"Everything is frozen by {frozen.actor}: {frozen.reason}",
            next_step="`calpatch unfreeze --all --reason TEXT` ends it",
        )
