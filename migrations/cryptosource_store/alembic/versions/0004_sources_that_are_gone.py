"""Know which cluster a source is in, so that what is gone from it can be retired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "where its resource is; null: in none that an operator watches"
    op.add_column("sources", sa.Column("cluster", sa.Text(), nullable=True, comment=comment))
    op.create_index(
        "sources_identity_idx", "sources", ["namespace", "name", "source_type", "retired_at"]
    )


def downgrade() -> None:
    op.drop_index("sources_identity_idx", "sources")
    op.drop_column("sources", "cluster")
