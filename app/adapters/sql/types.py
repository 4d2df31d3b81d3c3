"""Column types that keep exactly what was given, on Postgres and on SQLite.

SQLite's own date and number types lose the zone and the digits: there both are kept as text.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    Numeric,
    String,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    column,
    func,
    types,
)

_SORTABLE = "%Y-%m-%dT%H:%M:%S.%fZ"


class UtcDateTime(types.TypeDecorator[datetime]):
    """Aware datetimes, to the microsecond, given back in UTC. Naive ones are refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        """Take Postgres's own type, and text of fixed width elsewhere, so that it sorts."""
        sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(Text() if sqlite else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Turn to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.strftime(_SORTABLE).zfill(27) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Read what `process_bind_param` wrote."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value)
        # asyncpg takes the first and the last instant for Postgres's infinities, and gives them
        # back without a zone.
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


class ExactDecimal(types.TypeDecorator[Decimal]):
    """Decimal numbers of any size, digit for digit."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        """Take Postgres's unbounded numeric, and text elsewhere."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """Write text where numbers would be rounded."""
        if value is None or dialect.name != "sqlite":
            return value
        return format(value, "f")

    def process_result_value(
        self,
        value: Any | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> Decimal | None:
        """Read what `process_bind_param` wrote."""
        return None if value is None else Decimal(value)


def code_text(length: int) -> String:
    """Text that is ordered by code point, whatever the database's locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def unnested(name: str, **columns: types.TypeEngine[Any]) -> TableValuedAlias:
    """Give rows out of arrays, one bound by each column's name; Postgres alone has those.

    A statement has one text then, however many rows there are, and is prepared once.
    """
    arrays = [bindparam(each, type_=ARRAY(columns[each])) for each in columns]
    rows = func.unnest(*arrays).table_valued(*[column(each, columns[each]) for each in columns])
    return rows.alias(name).render_derived()


def is_one_of(element: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Look a text up among those of an array, as `unnested` has them."""
    return element == any_(bindparam(name, type_=ARRAY(String)))


def is_a_number(column: str, *, above: str = "'-Infinity'") -> CheckConstraint:
    """Constrain a column: Postgres's numeric also holds NaN, above all numbers, and infinities."""
    within = f"{column} > {above} AND {column} < 'Infinity'"
    constraint = CheckConstraint(within, name=f"{column}is_a_number")
    return constraint.ddl_if(dialect="postgresql")
