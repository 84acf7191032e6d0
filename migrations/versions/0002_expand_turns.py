"""Chunks know their turn within the campaign, and whether they need the whole readable window.

Revision 0002, after 0001. Chunks that exist get their number from their id, which ends in it, and
read the whole window when one of their open edits has no date. What every round asks has indexes
of its own now, each as small as what it finds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: what is in which index: the same words as in `worker.store.tables`
_TURN = "state = 'pending' AND retry_at IS NULL AND dispatched_at IS NULL"
_PARTIAL = (
    ("ix_chunks_turn", ["campaign_id", "number"], _TURN),
    ("ix_chunks_running", ["campaign_id"], "state = 'running'"),
    ("ix_chunks_sent", ["state", "dispatched_at"], "dispatched_at IS NOT NULL"),
    ("ix_chunks_poison", ["campaign_id"], "rescues >= 3"),
)
#: PostgreSQL counts by an index alone as far as it has been vacuumed lately: a twentieth of the
#: rows may have changed since, not a fifth.
_VACUUM = "autovacuum_vacuum_scale_factor", "autovacuum_vacuum_insert_scale_factor"
_WHOLE = ["campaign_id", "state", "retry_at", "account", "size", "reads_all"]

_NUMBER = """
UPDATE chunks SET number = CAST(substr(id, length(campaign_id) + 2) AS integer)
WHERE id LIKE campaign_id || '.%'
"""
_READS_ALL = """
UPDATE chunks SET reads_all = {true}
WHERE state <> 'done' AND EXISTS (SELECT 1 FROM edits e WHERE e.chunk_id = chunks.id
AND e.hint IS NULL AND e.state IN ('pending', 'sending'))
"""


def upgrade() -> None:
    """Add both columns, and change the indexes."""
    op.add_column("chunks", sa.Column("number", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "chunks", sa.Column("reads_all", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute(_NUMBER)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(_READS_ALL.format(true="1" if is_sqlite else "true"))
    op.drop_index("ix_chunks_open", table_name="chunks")
    op.drop_index("ix_chunks_campaign", table_name="chunks")
    op.create_index("ix_chunks_campaign", "chunks", _WHOLE, unique=False)
    for name, columns, where in _PARTIAL:
        _create_partial(name, columns, where)
    if not is_sqlite:
        _vacuum("SET", ", ".join(f"{name} = 0.05" for name in _VACUUM))


def downgrade() -> None:
    """Take them away again."""
    if op.get_bind().dialect.name != "sqlite":
        _vacuum("RESET", ", ".join(_VACUUM))
    for name, _, _ in _PARTIAL:
        op.drop_index(name, table_name="chunks")
    op.drop_index("ix_chunks_campaign", table_name="chunks")
    op.create_index("ix_chunks_campaign", "chunks", ["campaign_id", "state"], unique=False)
    _create_partial("ix_chunks_open", ["state", "retry_at"], "state <> 'done'")
    op.drop_column("chunks", "reads_all")
    op.drop_column("chunks", "number")


def _vacuum(verb: str, what: str) -> None:
    for table in ("chunks", "edits"):
        op.execute(f"ALTER TABLE {table} {verb} ({what})")


def _create_partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "chunks", columns, unique=False, sqlite_where=condition, postgresql_where=condition
    )
