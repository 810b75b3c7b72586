"""Show a page of one source's records without sorting all of them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the newest observations of each source by rank."""
    op.create_index(
        "quotes_latest_rank_idx",
        "quotes_latest",
        ["source_id", text("COALESCE(rank, 2147483647)"), "asset_id"],
    )


def downgrade() -> None:
    """Go back."""
    op.drop_index("quotes_latest_rank_idx", "quotes_latest")
