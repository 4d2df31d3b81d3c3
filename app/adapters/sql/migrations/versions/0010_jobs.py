"""Syncs of exchanges, and their parts."""

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COUNTS = ["attempted", "inserted", "updated", "unchanged", "rejected"]
IS_ACTIVE = "state IN ('queued', 'running', 'cancelling')"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "sync_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("exchange", code_text(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sync_jobs"),
        sa.ForeignKeyConstraint(["exchange"], ["exchanges.code"], name="fk_sync_jobs_exchange"),
    )
    op.create_index(
        "uq_sync_jobs_active",
        "sync_jobs",
        ["exchange"],
        unique=True,
        postgresql_where=sa.text(IS_ACTIVE),
        sqlite_where=sa.text(IS_ACTIVE),
    )
    op.create_index("ix_sync_jobs_requested", "sync_jobs", ["requested_at", "id"])
    op.create_index("ix_sync_jobs_of_exchange", "sync_jobs", ["exchange", "requested_at", "id"])
    op.create_table(
        "sync_job_parts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("part", code_text(100), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("tried", sa.Boolean(), nullable=False),
        *(sa.Column(column, sa.Integer(), nullable=False) for column in COUNTS),
        sa.Column("failure", sa.String(500)),
        sa.PrimaryKeyConstraint("job_id", "part", name="pk_sync_job_parts"),
        sa.ForeignKeyConstraint(["job_id"], ["sync_jobs.id"], name="fk_sync_job_parts_job_id"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("sync_job_parts")
    op.drop_table("sync_jobs")
