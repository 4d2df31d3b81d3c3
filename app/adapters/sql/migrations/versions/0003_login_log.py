"""From where users log in."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of origins."""
    op.create_table(
        "login_origins",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("origin", code_text(128), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("before_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("user_id", "kind", "origin", name="pk_login_origins"),
    )
    op.create_index("ix_login_origins_last_at", "login_origins", ["last_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("login_origins")
