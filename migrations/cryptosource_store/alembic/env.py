"""Alembic's entry: runs every migration in one transaction on the connection it is given."""

from __future__ import annotations

from alembic import context

from cryptosource_store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
