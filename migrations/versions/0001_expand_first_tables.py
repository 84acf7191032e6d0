"""The first tables: accounts, campaigns, chunks, edits, audit, calls, pulses.

The audit is append-only in the database itself (law 10): triggers refuse UPDATE and DELETE on it,
in PostgreSQL TRUNCATE as well. Revision 0001, after nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.store.tables import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_GUARD = """
CREATE TRIGGER audit_no_{verb} BEFORE {VERB} ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END
"""

# INSERT OR REPLACE deletes without asking the trigger for DELETE.
_SQLITE_NO_REPLACE = """
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR (chain = NEW.chain AND seq = NEW.seq))
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END
"""

_POSTGRES_GUARD = (
    """
    CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$
    """,
    """
    CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()
    """,
    """
    CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
    """,
)


def upgrade() -> None:
    """Make the tables, and guard the audit."""
    for make in (_accounts, _campaigns, _chunks, _edits, _audit, _calls, _pulses):
        make()
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(_SQLITE_GUARD.format(verb=verb, VERB=verb.upper()))
        op.execute(_SQLITE_NO_REPLACE)
    else:
        for sql in _POSTGRES_GUARD:
            op.execute(sql)


def downgrade() -> None:
    """Drop everything."""
    for name in ("pulses", "calls", "audit", "edits", "chunks", "campaigns", "accounts"):
        op.drop_table(name)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_refuse()")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("sub", sa.String(length=255), nullable=False),
        sa.Column("label", sa.String(length=255), server_default="", nullable=False),
        sa.Column("data_center", sa.String(length=8), nullable=False),
        sa.Column("access_token", sa.LargeBinary(), nullable=False),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcTime(timezone=True), nullable=True),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refresh_until", UtcTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("retry_at", UtcTime(timezone=True), nullable=True),
        sa.Column("calendars", sa.Text(), nullable=True),
        sa.Column("calendars_at", UtcTime(timezone=True), nullable=True),
        sa.Column("updated_at", UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sub", name=op.f("pk_accounts")),
    )


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("state_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("lane", sa.String(length=16), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("image_key", sa.LargeBinary(), nullable=True),
        sa.Column("audit_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("audit_head", sa.String(length=64), server_default="", nullable=False),
        sa.Column("submitted_at", UtcTime(timezone=True), nullable=False),
        sa.Column("started_at", UtcTime(timezone=True), nullable=True),
        sa.Column("finished_at", UtcTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("key", name=op.f("uq_campaigns_key")),
    )
    op.create_index("ix_campaigns_state", "campaigns", ["state"], unique=False)
    op.create_index("ix_campaigns_submitted", "campaigns", ["submitted_at"], unique=False)


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("campaign_id", sa.String(length=24), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", UtcTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rescues", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", UtcTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", UtcTime(timezone=True), nullable=True),
        sa.Column("proofs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("audit_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("audit_head", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
    )
    op.create_index("ix_chunks_account", "chunks", ["account", "state"], unique=False)
    op.create_index("ix_chunks_campaign", "chunks", ["campaign_id", "state"], unique=False)
    op.create_index(
        "ix_chunks_open",
        "chunks",
        ["state", "retry_at"],
        unique=False,
        sqlite_where=sa.text("state <> 'done'"),
        postgresql_where=sa.text("state <> 'done'"),
    )


def _edits() -> None:
    op.create_table(
        "edits",
        sa.Column("campaign_id", sa.String(length=24), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk_id", sa.String(length=40), nullable=True),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("calendar_id", sa.String(length=255), nullable=False),
        sa.Column("event_uid", sa.String(length=255), nullable=False),
        sa.Column("hint", sa.Date(), nullable=True),
        sa.Column("ref", sa.String(length=255), server_default="", nullable=False),
        sa.Column("patch", sa.Text(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("change_digest", sa.String(length=64), nullable=False),
        sa.Column("prior_target", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=40), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("fields", sa.String(length=120), server_default="", nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error_key", sa.String(length=255), server_default="", nullable=False),
        sa.Column("sent_at", UtcTime(timezone=True), nullable=True),
        sa.Column("accepted_at", UtcTime(timezone=True), nullable=True),
        sa.Column("verified_at", UtcTime(timezone=True), nullable=True),
        sa.Column("finished_at", UtcTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "line_no", name=op.f("pk_edits")),
    )
    op.create_index("ix_edits_chunk", "edits", ["chunk_id", "line_no"], unique=False)
    op.create_index("ix_edits_event", "edits", ["event_uid"], unique=False)
    op.create_index("ix_edits_outcome", "edits", ["campaign_id", "state", "code"], unique=False)
    op.create_index(
        "ux_edits_active",
        "edits",
        ["account", "calendar_id", "event_uid"],
        unique=True,
        sqlite_where=sa.text("state IN ('pending', 'sending', 'accepted')"),
        postgresql_where=sa.text("state IN ('pending', 'sending', 'accepted')"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("chain", sa.String(length=300), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.String(length=24), nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("at", UtcTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_audit_chain")),
    )
    op.create_index("ix_audit_edit", "audit", ["campaign_id", "line_no"], unique=False)


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("campaign_id", sa.String(length=24), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_campaign", "calls", ["campaign_id"], unique=False)


def _pulses() -> None:
    op.create_table(
        "pulses",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("at", UtcTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pulses")),
    )
