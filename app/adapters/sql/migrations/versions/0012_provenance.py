"""From which bytes a revision was read."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: of what is there already, the bytes are not known any more."""
    op.add_column("range_unit_revisions", sa.Column("payload_digest", sa.String(71), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("range_unit_revisions", "payload_digest")
