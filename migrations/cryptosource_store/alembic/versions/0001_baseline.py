"""The whole schema as it was first released, from the SQL file of the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001_baseline"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "api_keys",
    "run_request_keys",
    "run_request_jobs",
    "run_requests",
    "data_changes",
    "dataset_versions",
    "ticker_moves",
    "tickers",
    "unified",
    "quotes_latest",
    "knowledge",
    "superseded_quotes",
    "quotes",
    "asset_aliases",
    "assets",
    "rejected_records",
    "raw_records",
    "rate_limits",
    "listings",
    "schema_drifts",
    "etl_run_totals",
    "etl_runs",
    "etl_checkpoints",
    "sources",
)
FUNCTIONS = (
    "keep_superseded_quote()",
    "ensure_quote_partitions(date[])",
    "ensure_raw_partitions(text, date[])",
    "count_run()",
)


def upgrade() -> None:
    """Create the whole schema."""
    # Sent by the driver as it is, so that colons and percent signs are not taken for parameters.
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Drop the whole schema with its data."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
    op.execute(f"DROP FUNCTION {', '.join(FUNCTIONS)}")
    op.execute("DROP SEQUENCE raw_record_id_seq")
