"""Find the tickers that one page moved."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index moves by their run."""
    op.create_index("ticker_moves_run_idx", "ticker_moves", ["run_id", "moved_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ticker_moves_run_idx", "ticker_moves")
