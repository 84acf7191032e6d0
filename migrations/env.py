"""Alembic's entry: runs the migrations on the connection that `worker.store.schema` hands over."""

from __future__ import annotations

from alembic import context

from worker.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run `calpatch migrate`; it knows the database from CALPATCH_DATABASE_URL")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
