"""What comparing stated tick sizes with known range units gave, for each part of a sync."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COUNTS = ["checked", "disagreeing"]


def upgrade() -> None:
    """Add the counts, zero for parts of before, and the notes, of which those have none."""
    for count in COUNTS:
        column = sa.Column(count, sa.Integer(), server_default="0", nullable=False)
        op.add_column("sync_job_parts", column)
    op.add_column("sync_job_parts", sa.Column("note", sa.String(2000)))


def downgrade() -> None:
    """Drop them."""
    for column in ("note", *COUNTS):
        op.drop_column("sync_job_parts", column)
