"""Alembic's environment: runs on the connection that `app.adapters.sql.schema` hands over."""

from alembic import context

from app.adapters.sql import range_units
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity import unit_of_work as identity

TABLES_OF = (identity, range_units)  # imported for the tables they declare

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=AsyncDatabase.get_base().metadata,
    compare_type=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
