"""Passwords that expire, and second factors."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what users have from now on; those that are there have none of it."""
    op.add_column("users", sa.Column("password_expires_at", UtcDateTime()))
    for flag in ("mfa_required", "has_second_factor"):
        op.add_column(
            "users", sa.Column(flag, sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """Drop them."""
    for column in ("has_second_factor", "mfa_required", "password_expires_at"):
        op.drop_column("users", column)
