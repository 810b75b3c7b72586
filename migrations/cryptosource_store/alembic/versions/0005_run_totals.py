"""Totals of runs that outlive their rows; the trace that a request for a run belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Frozen here, as is its list of bounds.
COUNT_RUN = """
CREATE OR REPLACE FUNCTION count_run() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  took numeric := greatest(extract(epoch FROM NEW.finished_at - NEW.started_at), 0);
BEGIN
  INSERT INTO etl_run_totals AS t (source_id, status, reason, bucket, runs, seconds, loaded,
                                   unchanged, rejected, last_at)
  VALUES (NEW.source_id, NEW.status, coalesce(NEW.reason, ''),
          (SELECT count(*) FROM unnest(ARRAY[1, 5, 10, 30, 60, 300, 900]::numeric[]) AS bound
            WHERE bound < took),
          1, took, NEW.loaded, NEW.unchanged, NEW.rejected, NEW.finished_at)
  ON CONFLICT (source_id, status, reason, bucket) DO UPDATE
     SET runs = t.runs + 1, seconds = t.seconds + excluded.seconds,
         loaded = t.loaded + excluded.loaded, unchanged = t.unchanged + excluded.unchanged,
         rejected = t.rejected + excluded.rejected, last_at = greatest(t.last_at, excluded.last_at);
  RETURN NULL;
END
$function$
"""

TRIGGERS = (
    """CREATE TRIGGER etl_runs_count_ended AFTER UPDATE OF finished_at ON etl_runs FOR EACH ROW
  WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.trigger <> 'replay')
  EXECUTE FUNCTION count_run()""",
    """CREATE TRIGGER etl_runs_count_inserted AFTER INSERT ON etl_runs FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL AND NEW.trigger <> 'replay')
  EXECUTE FUNCTION count_run()""",
)

# Under the triggers' lock on etl_runs, so that no run is counted twice or not at all.
COUNT_PAST_RUNS = """
INSERT INTO etl_run_totals (source_id, status, reason, bucket, runs, seconds, loaded, unchanged,
                            rejected, last_at)
SELECT source_id, status, coalesce(reason, ''), bucket, count(*), sum(took), sum(loaded),
       sum(unchanged), sum(rejected), max(finished_at)
  FROM etl_runs r
 CROSS JOIN LATERAL (
       SELECT greatest(extract(epoch FROM r.finished_at - r.started_at), 0) AS took) d
 CROSS JOIN LATERAL (
       SELECT count(*) AS bucket
         FROM unnest(ARRAY[1, 5, 10, 30, 60, 300, 900]::numeric[]) AS bound
        WHERE bound < took) b
 WHERE finished_at IS NOT NULL AND trigger <> 'replay'
 GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    """Count from now on, and what is already there."""
    op.create_table(
        "etl_run_totals",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "bucket",
            sa.SmallInteger(),
            nullable=False,
            comment="how many bounds are below its seconds",
        ),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Numeric(), nullable=False, comment="from start to end, summed"),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("etl_run_totals_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "status", "reason", "bucket", name=op.f("etl_run_totals_pkey")
        ),
        comment="Every run that ever ended, replays apart; it outlives the rows of etl_runs",
    )
    op.execute(COUNT_RUN)
    for trigger in TRIGGERS:
        op.execute(trigger)
    op.execute(COUNT_PAST_RUNS)
    op.add_column(
        "run_requests",
        sa.Column(
            "traceparent",
            sa.Text(),
            nullable=True,
            comment="of the request, by W3C Trace Context",
        ),
    )


def downgrade() -> None:
    """Forget the totals."""
    op.drop_column("run_requests", "traceparent")
    op.execute("DROP TRIGGER etl_runs_count_ended ON etl_runs")
    op.execute("DROP TRIGGER etl_runs_count_inserted ON etl_runs")
    op.execute("DROP FUNCTION count_run()")
    op.drop_table("etl_run_totals")
