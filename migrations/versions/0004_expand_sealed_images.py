"""Keys for sealed images, heads of the accounts' chains, and which code may use which version.

Revision 0004, after 0003. Nothing that is there changes: plain images stay as they are, and are
read. A calpatch of 0003 that still runs reads no sealed ones; while it does, those beside it have
`CALPATCH_SEAL_IMAGES=false`.

Going down forgets the sealed images of campaigns that have ended, and with them where shifts have
put events: the same shift of the same event would be made again. It is refused while an open edit
has one, since its shift would be resolved anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.errors import StoreUnavailable
from worker.store.tables import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Code of this revision and newer may use the database from now on, and is told so by it.
_OLDEST_CODE = "0003"

_IN_USE = """
SELECT 1 FROM edits WHERE state IN ('pending', 'sending', 'accepted')
  AND (before LIKE 's1:%' OR target LIKE 's1:%' OR prior_target LIKE 'r1:%') LIMIT 1
"""
_FORGET = """
UPDATE edits SET before = CASE WHEN before LIKE 's1:%' THEN NULL ELSE before END,
  target = CASE WHEN target LIKE 's1:%' THEN NULL ELSE target END,
  prior_target = CASE WHEN prior_target LIKE 'r1:%' THEN NULL ELSE prior_target END
WHERE before LIKE 's1:%' OR target LIKE 's1:%' OR prior_target LIKE 'r1:%'
"""


def upgrade() -> None:
    """Make the tables; a database without entries has all its chains' heads from the start."""
    op.create_table(
        "image_keys",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_image_keys")),
    )
    op.create_table(
        "chain_heads",
        sa.Column("chain", sa.String(length=300), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("stray", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_chain_heads")),
    )
    op.create_table(
        "schema_versions",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("oldest_code", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_versions")),
    )
    op.add_column("campaigns", sa.Column("pruned_at", UtcTime(timezone=True), nullable=True))
    op.execute(
        "INSERT INTO chain_heads (chain, seq, head)"
        " SELECT '', 0, '' WHERE NOT EXISTS (SELECT 1 FROM audit)"
    )
    versions = sa.table("schema_versions", sa.column("revision"), sa.column("oldest_code"))
    op.execute(versions.insert().values(revision=revision, oldest_code=_OLDEST_CODE))


def downgrade() -> None:
    """Take them away again. Raises StoreUnavailable while open edits need them."""
    if op.get_bind().execute(sa.text(_IN_USE)).first() is not None:
        raise StoreUnavailable(
            "Open edits have sealed images, which the older version cannot read",
            next_step="Wait until their campaigns have ended (`calpatch list --state running`)",
        )
    op.execute(_FORGET)
    op.drop_column("campaigns", "pruned_at")
    for name in ("schema_versions", "chain_heads", "image_keys"):
        op.drop_table(name)
