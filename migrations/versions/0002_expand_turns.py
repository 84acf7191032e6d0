"""Chunks know their turn within the campaign, and whether they need the whole readable window.

Revision 0002, after 0001. Chunks that exist get their number from their id, which ends in it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Add both columns, and the index that hands chunks out in their order."""
    op.add_column("chunks", sa.Column("number", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "chunks", sa.Column("reads_all", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute(
        "UPDATE chunks SET number = CAST(substr(id, length(campaign_id) + 2) AS integer)"
        " WHERE id LIKE campaign_id || '.%'"
    )
    op.create_index(
        "ix_chunks_turn",
        "chunks",
        ["campaign_id", "number"],
        unique=False,
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )


def downgrade() -> None:
    """Take both away again."""
    op.drop_index("ix_chunks_turn", table_name="chunks")
    op.drop_column("chunks", "reads_all")
    op.drop_column("chunks", "number")
