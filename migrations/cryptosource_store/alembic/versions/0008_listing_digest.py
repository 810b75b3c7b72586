"""Know without reading them that a pass listed the same ids as the one before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "of the ids that the last pass listed"
    column = sa.Column("listing_digest", postgresql.UUID(as_uuid=True), comment=comment)
    op.add_column("etl_checkpoints", column)


def downgrade() -> None:
    op.drop_column("etl_checkpoints", "listing_digest")
