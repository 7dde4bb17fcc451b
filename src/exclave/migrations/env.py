"""Alembic's entry: one connection, given by `upgrade`, as the owner of the schema."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes["metadata"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
