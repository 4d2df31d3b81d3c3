"""Indexes for a user's live sessions, and for administrators."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index what is asked for by user, which is no session that has ended."""
    not_ended = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_sessions_not_ended",
        "sessions",
        ["user_id", "id"],
        sqlite_where=not_ended,
        postgresql_where=not_ended,
    )
    op.drop_index("ix_sessions_user_id", "sessions")
    is_admin = sa.text("role = 'admin'")
    op.create_index(
        "ix_users_admins", "users", ["id"], sqlite_where=is_admin, postgresql_where=is_admin
    )


def downgrade() -> None:
    """Index all sessions by user again."""
    op.drop_index("ix_users_admins", "users")
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.drop_index("ix_sessions_not_ended", "sessions")
