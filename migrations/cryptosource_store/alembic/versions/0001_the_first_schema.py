"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# The functions are frozen here; later migrations replace them.
ENSURE_QUOTE_PARTITIONS = """
CREATE OR REPLACE FUNCTION ensure_quote_partitions(months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  leaf text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(727001);
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('quotes_%s', to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE quotes INCLUDING ALL)', leaf);
    EXECUTE format('ALTER TABLE quotes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$
"""

ENSURE_RAW_PARTITIONS = """
CREATE OR REPLACE FUNCTION ensure_raw_partitions(kind text, months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  branch text := format('raw_%s', kind);
  leaf text;
  made integer := 0;
BEGIN
  IF kind !~ '^[a-z][a-z0-9]{0,39}$' THEN
    RAISE EXCEPTION 'source type % is not a lower-case word of at most 40 characters', kind;
  END IF;
  PERFORM pg_advisory_xact_lock(727001);
  IF to_regclass(branch) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE raw_records INCLUDING ALL) PARTITION BY RANGE (ingested_at)', branch);
    EXECUTE format('ALTER TABLE raw_records ATTACH PARTITION %I FOR VALUES IN (%L)', branch, kind);
    made := made + 1;
  END IF;
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('%s_%s', branch, to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', leaf, branch);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', branch, leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$
"""


def upgrade() -> None:
    """Make everything."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("raw_record_id_seq", cache=100)))
    op.create_table(
        "assets",
        sa.Column("asset_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False, comment="stable and URL-safe; never reused"),
        sa.Column(
            "symbol",
            sa.Text(),
            nullable=True,
            comment="as first seen; the current one is in unified",
        ),
        sa.Column("name", sa.Text(), nullable=True, comment="as first seen"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("assets_pkey")),
        sa.UniqueConstraint("slug", name=op.f("assets_slug_key")),
        comment="One canonical coin; asset_id never changes",
    )
    op.create_table(
        "dataset_versions",
        sa.Column("dataset", sa.Text(), nullable=False, comment="unified, or source:<source_id>"),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("dataset", name=op.f("dataset_versions_pkey")),
        comment="Exact totals and a version, written in each load's own transaction",
    )
    op.create_table(
        "quotes",
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_usd", sa.Numeric(), nullable=True),
        sa.Column("market_cap_usd", sa.Numeric(), nullable=True),
        sa.Column("volume_24h_usd", sa.Numeric(), nullable=True),
        sa.Column("percent_change_24h", sa.Numeric(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.UUID(), nullable=False, comment="of the payload, BLAKE2b-128"),
        sa.CheckConstraint(
            "market_cap_usd >= 0 AND market_cap_usd < 'Infinity'",
            name=op.f("quotes_market_cap_usd_sane_check"),
        ),
        sa.CheckConstraint(
            "percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity'",
            name=op.f("quotes_percent_change_24h_sane_check"),
        ),
        sa.CheckConstraint(
            "price_usd >= 0 AND price_usd < 'Infinity'", name=op.f("quotes_price_usd_sane_check")
        ),
        sa.CheckConstraint(
            "volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'",
            name=op.f("quotes_volume_24h_usd_sane_check"),
        ),
        sa.PrimaryKeyConstraint("asset_id", "source_id", "observed_at", name=op.f("quotes_pkey")),
        comment="Every accepted observation, by month",
        postgresql_partition_by="RANGE (observed_at)",
    )
    op.create_table(
        "quotes_latest",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inferred_time", sa.Boolean(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("price_usd", sa.Numeric(), nullable=True),
        sa.Column("market_cap_usd", sa.Numeric(), nullable=True),
        sa.Column("volume_24h_usd", sa.Numeric(), nullable=True),
        sa.Column("percent_change_24h", sa.Numeric(), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.UUID(), nullable=False),
        sa.CheckConstraint(
            "market_cap_usd >= 0 AND market_cap_usd < 'Infinity'",
            name=op.f("quotes_latest_market_cap_usd_sane_check"),
        ),
        sa.CheckConstraint(
            "percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity'",
            name=op.f("quotes_latest_percent_change_24h_sane_check"),
        ),
        sa.CheckConstraint(
            "price_usd >= 0 AND price_usd < 'Infinity'",
            name=op.f("quotes_latest_price_usd_sane_check"),
        ),
        sa.CheckConstraint(
            "volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'",
            name=op.f("quotes_latest_volume_24h_usd_sane_check"),
        ),
        sa.PrimaryKeyConstraint("source_id", "external_id", name=op.f("quotes_latest_pkey")),
        comment="Newest observation per (source, external id)",
    )
    op.create_index("quotes_latest_asset_idx", "quotes_latest", ["asset_id"], unique=False)
    op.create_table(
        "rate_limits",
        sa.Column(
            "bucket", sa.Text(), nullable=False, comment="host and a hash of the key, never the key"
        ),
        sa.Column(
            "arrival",
            sa.Numeric(),
            nullable=False,
            comment="theoretical arrival time of the generic cell rate algorithm, unix seconds",
        ),
        sa.PrimaryKeyConstraint("bucket", name=op.f("rate_limits_pkey")),
        comment="Shared by all pods of one key; losing it in a crash refills the bucket",
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "raw_records",
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column("ingested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.UUID(), nullable=False, comment="of the bytes received"),
        sa.Column(
            "scrubbed", sa.Boolean(), nullable=False, comment="NUL or lone surrogates became U+FFFD"
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint(
            "source_type", "raw_id", "ingested_at", name=op.f("raw_records_pkey")
        ),
        comment="Payloads as received, by source type and month of arrival",
        postgresql_partition_by="LIST (source_type)",
    )
    op.create_index(
        "raw_records_external_id_idx", "raw_records", ["external_id", "source_id"], unique=False
    )
    op.create_table(
        "rejected_records",
        sa.Column("rejected_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("contract_version", sa.Text(), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False, comment="the run that met it last"),
        sa.Column("occurrences", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("rejected_id", name=op.f("rejected_records_pkey")),
        sa.UniqueConstraint(
            "source_id",
            "digest",
            "reason",
            name=op.f("rejected_records_source_id_digest_reason_key"),
        ),
        comment="Quarantine: records that were refused, each once, with the reason",
    )
    op.create_index("rejected_records_run_idx", "rejected_records", ["run_id"], unique=False)
    op.create_table(
        "sources",
        sa.Column("source_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False, comment="metadata.uid of the CryptoSource"),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False, comment="spec.type in lower case"),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("suspended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "max_age_seconds", sa.Integer(), nullable=True, comment="spec.freshness.maxAgeSeconds"
        ),
        sa.Column(
            "accepted_shape",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="field -> JSON types, of the last complete pass",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("source_id", name=op.f("sources_pkey")),
        sa.UniqueConstraint("uid", name=op.f("sources_uid_key")),
        comment="A CryptoSource as the store knows it; a re-created one of the same name goes on",
    )
    op.create_index(
        "sources_namespace_name_key",
        "sources",
        ["namespace", "name"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "ticker_moves",
        sa.Column("move_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ticker", sa.Text(), nullable=False),
        sa.Column("from_asset_id", sa.BigInteger(), nullable=False),
        sa.Column("to_asset_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("move_id", name=op.f("ticker_moves_pkey")),
    )
    op.create_table(
        "tickers",
        sa.Column("ticker", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("ticker", name=op.f("tickers_pkey")),
        comment="Which coin owns a ticker: the best-ranked of those that share the symbol",
    )
    op.create_index("tickers_asset_idx", "tickers", ["asset_id"], unique=False)
    op.create_table(
        "unified",
        sa.Column("asset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True, comment="the best of its sources"),
        sa.Column("price_usd", sa.Numeric(), nullable=True),
        sa.Column("market_cap_usd", sa.Numeric(), nullable=True),
        sa.Column("volume_24h_usd", sa.Numeric(), nullable=True),
        sa.Column("percent_change_24h", sa.Numeric(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "source_id", sa.Integer(), nullable=False, comment="whose observation this row shows"
        ),
        sa.Column(
            "source_ids",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            comment="all that contribute",
        ),
        sa.Column(
            "spread_percent",
            sa.Numeric(),
            nullable=True,
            comment="highest over lowest price within an hour, in %",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "market_cap_usd >= 0 AND market_cap_usd < 'Infinity'",
            name=op.f("unified_market_cap_usd_sane_check"),
        ),
        sa.CheckConstraint(
            "percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity'",
            name=op.f("unified_percent_change_24h_sane_check"),
        ),
        sa.CheckConstraint(
            "price_usd >= 0 AND price_usd < 'Infinity'", name=op.f("unified_price_usd_sane_check")
        ),
        sa.CheckConstraint(
            "volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'",
            name=op.f("unified_volume_24h_usd_sane_check"),
        ),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("unified_pkey")),
        comment="One row per coin across sources",
    )
    op.create_index(
        "unified_rank_idx",
        "unified",
        [sa.literal_column("coalesce(rank, 2147483647)"), "asset_id"],
        unique=False,
    )
    op.create_index("unified_symbol_idx", "unified", ["symbol"], unique=False)
    op.create_table(
        "asset_aliases",
        sa.Column(
            "id_scope",
            sa.Text(),
            nullable=False,
            comment="who issues the external id: a vendor, or one CSV source",
        ),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "method IN ('pinned','evidence','minted')", name=op.f("asset_aliases_method_check")
        ),
        sa.CheckConstraint(
            "confidence > 0 AND confidence <= 1", name=op.f("asset_aliases_confidence_check")
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.asset_id"], name=op.f("asset_aliases_asset_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id_scope", "external_id", name=op.f("asset_aliases_pkey")),
        sa.UniqueConstraint(
            "asset_id", "id_scope", name=op.f("asset_aliases_asset_id_id_scope_key")
        ),
        comment="(scope, external id) -> coin, and why",
    )
    op.create_table(
        "etl_checkpoints",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "cursor",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "records_committed",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="records of the current pass over the upstream that are in",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="newest observation ever committed: a report, no filter",
        ),
        sa.Column("run_id", sa.UUID(), nullable=True, comment="the run that wrote this row last"),
        sa.Column(
            "epoch",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="grows with each claim; a commit must carry the current one",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "records_committed >= 0", name=op.f("etl_checkpoints_records_committed_check")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("etl_checkpoints_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("etl_checkpoints_pkey")),
    )
    op.create_table(
        "etl_runs",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("source_uid", sa.Text(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "trigger", sa.Text(), nullable=False, comment="schedule, manual, create, api, replay"
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "heartbeat_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("loaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pages", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("retries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "records_total",
            sa.BigInteger(),
            nullable=True,
            comment="of the whole pass, where the source knows it",
        ),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column(
            "backend_pid",
            sa.Integer(),
            nullable=True,
            comment="of the session that holds the source's lock",
        ),
        sa.Column("backend_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status = 'running') = (finished_at IS NULL)", name=op.f("etl_runs_finished_check")
        ),
        sa.CheckConstraint(
            "status IN ('running','success','failure','interrupted','skipped')",
            name=op.f("etl_runs_status_check"),
        ),
        sa.CheckConstraint(
            "processed = loaded + unchanged + rejected", name=op.f("etl_runs_counts_check")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("etl_runs_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("etl_runs_pkey")),
        sa.UniqueConstraint(
            "source_uid",
            "job_name",
            "attempt",
            name=op.f("etl_runs_source_uid_job_name_attempt_key"),
        ),
    )
    op.create_index(
        "etl_runs_running_key",
        "etl_runs",
        ["source_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "etl_runs_source_started_idx",
        "etl_runs",
        ["source_id", sa.literal_column("started_at DESC")],
        unique=False,
    )
    op.create_index(
        "etl_runs_started_idx",
        "etl_runs",
        [sa.literal_column("started_at DESC"), "run_id"],
        unique=False,
    )
    op.create_table(
        "run_requests",
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job_name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending','accepted','refused')", name=op.f("run_requests_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("run_requests_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("run_requests_pkey")),
        sa.UniqueConstraint("idempotency_key", name=op.f("run_requests_idempotency_key_key")),
    )
    op.create_table(
        "schema_drifts",
        sa.Column("drift_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("types_before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("types_after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "detected_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "change IN ('appeared','vanished','retyped')", name=op.f("schema_drifts_change_check")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name=op.f("schema_drifts_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint("drift_id", name=op.f("schema_drifts_pkey")),
    )
    op.create_index(
        "schema_drifts_source_idx", "schema_drifts", ["source_id", "drift_id"], unique=False
    )
    op.execute("ALTER TABLE quotes_latest SET (fillfactor = 70)")
    op.execute("ALTER TABLE unified SET (fillfactor = 70)")
    op.execute(ENSURE_QUOTE_PARTITIONS)
    op.execute(ENSURE_RAW_PARTITIONS)


def downgrade() -> None:
    """Drop everything, data included."""
    op.execute("DROP FUNCTION ensure_quote_partitions(date[])")
    op.execute("DROP FUNCTION ensure_raw_partitions(text, date[])")
    op.drop_table("schema_drifts")
    op.drop_table("run_requests")
    op.drop_table("etl_runs")
    op.drop_table("etl_checkpoints")
    op.drop_table("asset_aliases")
    op.drop_table("unified")
    op.drop_table("tickers")
    op.drop_table("ticker_moves")
    op.drop_table("sources")
    op.drop_table("rejected_records")
    op.drop_table("raw_records")
    op.drop_table("rate_limits")
    op.drop_table("quotes_latest")
    op.drop_table("quotes")
    op.drop_table("dataset_versions")
    op.drop_table("assets")
    op.execute("DROP SEQUENCE raw_record_id_seq")
