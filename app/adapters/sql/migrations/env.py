"""Alembic's environment: runs on the connection that `app.adapters.sql.schema` hands over."""

import re

from alembic import context

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity import unit_of_work as identity
from app.adapters.sql.range_units import unit_of_work as range_units

TABLES_OF = (identity, range_units)  # imported for the tables they declare

_A_PARTITION = re.compile(r"login_attempts_(default|[0-9]{4}_[0-9]{2})")


def _is_declared(name: str | None, kind: str, _parents: object) -> bool:
    """Pass over the months of the login log: they are as their table is, and come and go."""
    return kind != "table" or _A_PARTITION.fullmatch(name or "") is None


def _is_for_this_database(_thing: object, name: str | None, kind: str, *_: object) -> bool:
    """Pass over the one index that only Postgres has a kind for."""
    on_postgres = context.get_context().dialect.name == "postgresql"
    return on_postgres or kind != "index" or name != "ix_login_attempts_brin"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=AsyncDatabase.get_base().metadata,
    compare_type=True,
    render_as_batch=True,
    include_name=_is_declared,
    include_object=_is_for_this_database,
)
with context.begin_transaction():
    context.run_migrations()
