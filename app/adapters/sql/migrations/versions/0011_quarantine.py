"""Payloads that were rejected."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MARKET = ["exchange", "quote", "target"]


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "quarantined_payloads",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(column, code_text(32), nullable=False) for column in MARKET),
        sa.Column("source", sa.String(500), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("faults", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantined_payloads"),
    )
    op.create_index(
        "uq_quarantined_payloads_same",
        "quarantined_payloads",
        [*MARKET, "source", "digest"],
        unique=True,
    )
    op.create_index(
        "ix_quarantined_payloads_received",
        "quarantined_payloads",
        ["exchange", "received_at", "id"],
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("quarantined_payloads")
