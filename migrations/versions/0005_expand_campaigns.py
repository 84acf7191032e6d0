"""Campaigns that are planned, approved, steered and undone; who is told of them.

Revision 0005, after 0004. It only adds: a calpatch of 0004 goes on beside it. What waits for an
approval or behind a canary are chunks that are due in the year 9999, which that one leaves alone.

Going down is refused while a campaign waits for such a thing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.errors import StoreUnavailable
from worker.store.tables import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: Code of this revision and newer may use the database from now on, and is told so by it.
_OLDEST_CODE = "0004"

_IN_USE = """
SELECT 1 FROM campaigns WHERE state IN ('planning', 'awaiting_approval', 'scheduled', 'paused')
  OR (state IN ('running', 'verifying', 'cancelling') AND kind <> 'direct') LIMIT 1
"""


def upgrade() -> None:
    """Add the columns and tables."""
    _add_columns()
    _add_tables()
    versions = sa.table("schema_versions", sa.column("revision"), sa.column("oldest_code"))
    op.execute(versions.insert().values(revision=revision, oldest_code=_OLDEST_CODE))


def _add_columns() -> None:
    for column in (
        sa.Column("run", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("parent", sa.String(length=24), nullable=True),
        sa.Column("job", sa.String(length=255), nullable=False, server_default=""),
        sa.Column("job_date", sa.Date(), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False, server_default=""),
        sa.Column("notify", sa.Text(), nullable=False, server_default=""),
        sa.Column("plan_hash", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("planned_at", UtcTime(timezone=True), nullable=True),
        sa.Column("expires_at", UtcTime(timezone=True), nullable=True),
    ):
        op.add_column("campaigns", column)
    op.create_index(op.f("ix_campaigns_parent"), "campaigns", ["parent"])
    op.create_index(op.f("ix_campaigns_job"), "campaigns", ["job", "submitted_at"])
    deed = sa.text("line_no IS NULL")
    op.create_index("ix_audit_deeds", "audit", ["at"], sqlite_where=deed, postgresql_where=deed)
    op.add_column("edits", sa.Column("seen", sa.Text(), nullable=True))
    op.add_column("edits", sa.Column("people", sa.Integer(), nullable=True))
    op.add_column("edits", sa.Column("externals", sa.Integer(), nullable=True))
    alike = sa.Column("alike", sa.String(length=8), nullable=False, server_default="")
    op.add_column("edits", alike)


def _add_tables() -> None:
    op.create_table(
        "controls",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_controls")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("campaign_id", sa.String(length=24), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_at", UtcTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("at", UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_campaign"), "webhooks", ["campaign_id"])
    due = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_webhooks_due", "webhooks", ["next_at"], sqlite_where=due, postgresql_where=due
    )


def downgrade() -> None:
    """Take them away again. Raises StoreUnavailable while a campaign needs them."""
    if op.get_bind().execute(sa.text(_IN_USE)).first() is not None:
        raise StoreUnavailable(
            "Campaigns are planned, waiting or running, which the older version cannot carry out",
            next_step="End or cancel them (`calpatch list`)",
        )
    for name in ("webhooks", "controls"):
        op.drop_table(name)
    op.drop_index("ix_audit_deeds", table_name="audit")
    for name in ("alike", "externals", "people", "seen"):
        op.drop_column("edits", name)
    op.drop_index(op.f("ix_campaigns_job"), table_name="campaigns")
    op.drop_index(op.f("ix_campaigns_parent"), table_name="campaigns")
    for name in (
        "expires_at", "planned_at", "plan_hash", "notify", "spec", "job_date", "job", "parent",
        "run",
    ):  # fmt: skip
        op.drop_column("campaigns", name)
    op.execute(sa.text("DELETE FROM schema_versions WHERE revision = '0005'"))
