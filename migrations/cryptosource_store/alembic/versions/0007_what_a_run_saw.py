"""Keep which ids a pass listed and why a run rejected records, so that two runs can be compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "ids of a complete pass over the upstream; null: this run saw a part"
    op.add_column("etl_runs", sa.Column("listed", sa.Integer(), nullable=True, comment=comment))
    comment = "rejected records by reason; null: none, or not counted"
    column = sa.Column("reject_reasons", postgresql.JSONB(), nullable=True, comment=comment)
    op.add_column("etl_runs", column)
    op.create_table(
        "listings",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column(
            "from_epoch", sa.BigInteger(), nullable=False, comment="of the first run that saw it"
        ),
        sa.Column(
            "listed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column(
            "until_epoch",
            sa.BigInteger(),
            nullable=True,
            comment="of the first run that did not see it any more",
        ),
        sa.Column("delisted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("listings_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "external_id", "from_epoch", name=op.f("listings_pkey")
        ),
        comment="Ids of complete passes: a row while an upstream lists an id, written when it "
        "changes",
    )
    op.create_index(
        "listings_open_idx",
        "listings",
        ["source_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("until_epoch IS NULL"),
    )
    op.create_index("listings_from_idx", "listings", ["source_id", "from_epoch"])
    op.create_index(
        "listings_until_idx",
        "listings",
        ["source_id", "until_epoch"],
        postgresql_where=sa.text("until_epoch IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("listings")
    op.drop_column("etl_runs", "reject_reasons")
    op.drop_column("etl_runs", "listed")
