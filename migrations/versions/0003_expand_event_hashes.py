"""Edits carry hashes of their event, and are looked up by them instead of by three long texts.

Revision 0003, after 0002. The hashes are those of `worker.store.spool`, made by the database where
it can. A calpatch of before that goes on writing leaves them at 0: its second open edit is refused,
so that no event gets into two campaigns unseen; stop it first.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.store.spool import event_hash, place_hash

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: the same words as in `worker.store.tables`
_ACTIVE = "state = 'pending' OR state = 'sending' OR state = 'accepted'"
_ENDED = "state <> 'pending' AND state <> 'sending' AND state <> 'accepted'"
_ACTIVE_BEFORE = "state IN ('pending', 'sending', 'accepted')"

_SQLITE = (
    "UPDATE edits SET event_hash = event_hash_of(event_uid),"
    " place_hash = place_hash_of(account, calendar_id)"
)
_EIGHT = "CAST(CAST('x' || encode(substring(sha256({}) from 1 for 8), 'hex') AS bit(64)) AS bigint)"
_EVENT = "convert_to(event_uid, 'UTF8')"
_PLACE = "convert_to(account, 'UTF8') || decode('00', 'hex') || convert_to(calendar_id, 'UTF8')"
_POSTGRES = "UPDATE edits SET event_hash = {event}, place_hash = {place}"


def upgrade() -> None:
    """Add the hashes, and index them."""
    for name in ("event_hash", "place_hash"):
        op.add_column("edits", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    _fill()
    _drop_indexes()
    _create_partial("ix_edits_event", ["place_hash", "event_hash"], _ENDED)
    _create_partial("ux_edits_active", ["place_hash", "event_hash"], _ACTIVE)


def downgrade() -> None:
    """Go back to the texts."""
    _drop_indexes()
    op.create_index("ix_edits_event", "edits", ["event_uid"], unique=False)
    _create_partial("ux_edits_active", ["account", "calendar_id", "event_uid"], _ACTIVE_BEFORE)
    op.drop_column("edits", "place_hash")
    op.drop_column("edits", "event_hash")


def _fill() -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        raw: Any = bind.connection.driver_connection
        raw.create_function("event_hash_of", 1, event_hash)
        raw.create_function("place_hash_of", 2, place_hash)
        op.execute(_SQLITE)
    else:
        op.execute(_POSTGRES.format(event=_EIGHT.format(_EVENT), place=_EIGHT.format(_PLACE)))


def _drop_indexes() -> None:
    for name in ("ix_edits_event", "ux_edits_active"):
        op.drop_index(name, table_name="edits")


def _create_partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        "edits",
        columns,
        unique=name.startswith("ux"),
        sqlite_where=condition,
        postgresql_where=condition,
    )
