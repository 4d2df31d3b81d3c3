"""The feed of changes of range units.

It begins empty: who follows it reads the tables first, and the changes from there on.
"""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "range_unit_changes",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("exchange", code_text(32), nullable=False),
        sa.Column("quote", code_text(32), nullable=False),
        sa.Column("target", code_text(32), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(500), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_range_unit_changes"),
    )
    op.create_index(
        "ix_range_unit_changes_exchange", "range_unit_changes", ["exchange", "position"]
    )
    op.create_table(
        "range_unit_change_position",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_range_unit_change_position"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("range_unit_change_position")
    op.drop_table("range_unit_changes")
