"""Slots that guesses take."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "throttle_slots",
        sa.Column("key", code_text(160), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("guess_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "expires_at", "guess_id", name="pk_throttle_slots"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("throttle_slots")
