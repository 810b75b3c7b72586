"""What was known when, and which coins each version of the data changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Frozen here; later migrations replace it.
KEEP_SUPERSEDED = """
CREATE OR REPLACE FUNCTION keep_superseded_quote() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  ended timestamptz := greatest(now(), OLD.known_from);
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.price_usd, NEW.market_cap_usd, NEW.volume_24h_usd, NEW.percent_change_24h, NEW.rank)
       IS NOT DISTINCT FROM
       (OLD.price_usd, OLD.market_cap_usd, OLD.volume_24h_usd, OLD.percent_change_24h, OLD.rank)
    THEN
      NEW.known_from := OLD.known_from;
      RETURN NEW;
    END IF;
    NEW.known_from := ended;
  END IF;
  IF OLD.known_from < ended THEN
    INSERT INTO superseded_quotes (asset_id, source_id, observed_at, known_from, known_until,
                                   price_usd, market_cap_usd, volume_24h_usd, percent_change_24h,
                                   rank, run_id, raw_id)
    VALUES (OLD.asset_id, OLD.source_id, OLD.observed_at, OLD.known_from, ended,
            OLD.price_usd, OLD.market_cap_usd, OLD.volume_24h_usd, OLD.percent_change_24h,
            OLD.rank, OLD.run_id, OLD.raw_id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END
$function$
"""

TRIGGER = """CREATE TRIGGER quotes_keep_superseded BEFORE UPDATE OR DELETE ON quotes
  FOR EACH ROW EXECUTE FUNCTION keep_superseded_quote()"""


def upgrade() -> None:
    """Begin to keep it. What is there was known by now at the latest."""
    op.add_column(
        "quotes",
        sa.Column(
            "known_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="since when it is known with these values",
        ),
    )
    op.create_table(
        "superseded_quotes",
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_usd", sa.Numeric(), nullable=True),
        sa.Column("market_cap_usd", sa.Numeric(), nullable=True),
        sa.Column("volume_24h_usd", sa.Numeric(), nullable=True),
        sa.Column("percent_change_24h", sa.Numeric(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "asset_id",
            "source_id",
            "observed_at",
            "known_from",
            name=op.f("superseded_quotes_pkey"),
        ),
        comment="Observations as they were until they were corrected or withdrawn",
    )
    op.create_table(
        "knowledge",
        sa.Column("recorded_since", sa.DateTime(timezone=True), nullable=False),
        comment="One row: since when it can be told what was known",
    )
    op.execute("INSERT INTO knowledge (recorded_since) VALUES (now())")
    op.execute(KEEP_SUPERSEDED)
    op.execute(TRIGGER)
    op.create_table(
        "data_changes",
        sa.Column(
            "version", sa.BigInteger(), autoincrement=False, nullable=False, comment="of unified"
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False, comment="whose page it was"),
        sa.Column("asset_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("data_changes_pkey")),
        comment="Which coins each version changed; kept for a day, for those who follow",
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_table("data_changes")
    op.execute("DROP TRIGGER quotes_keep_superseded ON quotes")
    op.execute("DROP FUNCTION keep_superseded_quote()")
    op.drop_table("knowledge")
    op.drop_table("superseded_quotes")
    op.drop_column("quotes", "known_from")
