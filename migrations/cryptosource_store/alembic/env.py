"""Alembic's entry point: runs all migrations in one transaction on the caller's connection."""

from __future__ import annotations

from alembic import context

from cryptosource_store.tables import metadata

# `schema_migration.migrate` holds the migration lock on this session, so Alembic opens none itself.
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
