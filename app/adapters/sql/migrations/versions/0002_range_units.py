"""Exchanges, markets, range-unit revisions and their bands."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import ExactDecimal, UtcDateTime, code_text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MARKET = ["exchange", "quote", "target"]
NUMBERS = [
    ("range_unit_revisions", "top", "'-Infinity'"),
    ("range_unit_revisions", "min_price", "'-Infinity'"),
    ("range_unit_revisions", "max_price", "'-Infinity'"),
    ("range_unit_bands", "range_min", "'-Infinity'"),
    ("range_unit_bands", "price_unit", "0"),
]


def upgrade() -> None:
    """Create the tables of the range-units area."""
    op.create_table(
        "exchanges",
        sa.Column("code", code_text(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_exchanges"),
    )
    op.create_table(
        "markets",
        *(sa.Column(column, code_text(32), nullable=False) for column in MARKET),
        sa.PrimaryKeyConstraint(*MARKET, name="pk_markets"),
        sa.ForeignKeyConstraint(["exchange"], ["exchanges.code"], name="fk_markets_exchange"),
    )
    op.create_table(
        "range_unit_revisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(column, code_text(32), nullable=False) for column in MARKET),
        sa.Column("effective_from", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("superseded_at", UtcDateTime()),
        sa.Column("source", sa.String(500), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("boundary", sa.String(16), nullable=False),
        sa.Column("anchor", sa.String(16), nullable=False),
        sa.Column("top", ExactDecimal()),
        sa.Column("top_rule", sa.String(16), nullable=False),
        sa.Column("min_price", ExactDecimal()),
        sa.Column("max_price", ExactDecimal()),
        sa.PrimaryKeyConstraint("id", name="pk_range_unit_revisions"),
        sa.ForeignKeyConstraint(
            MARKET,
            [f"markets.{column}" for column in MARKET],
            name="fk_range_unit_revisions_exchange_quote_target",
        ),
    )
    op.create_index(
        "uq_range_unit_revisions_start",
        "range_unit_revisions",
        [*MARKET, "effective_from"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
        sqlite_where=sa.text("superseded_at IS NULL"),
    )
    op.create_index(
        "ix_range_unit_revisions_recorded",
        "range_unit_revisions",
        [*MARKET, "recorded_at", "id"],
    )
    op.create_table(
        "range_unit_bands",
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("range_min", ExactDecimal(), nullable=False),
        sa.Column("price_unit", ExactDecimal(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", "position", name="pk_range_unit_bands"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["range_unit_revisions.id"], name="fk_range_unit_bands_revision_id"
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Its numeric also holds NaN, which compares above all numbers, and infinities.
        for table, column, above in NUMBERS:
            op.create_check_constraint(
                op.f(f"ck_{table}_{column}_is_a_number"),
                table,
                f"{column} > {above} AND {column} < 'Infinity'",
            )


def downgrade() -> None:
    """Drop them."""
    for table in ("range_unit_bands", "range_unit_revisions", "markets", "exchanges"):
        op.drop_table(table)
