"""Coins, their ids and tickers, and their observations."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from cryptosource_store.tables.schema import (
    Timestamp,
    figure_checks,
    figure_columns,
    metadata,
    moment,
)

UNRANKED = 2147483647
"""Stands for an unknown rank in sort keys, so that coins without one come last."""

# Only asset_aliases has a foreign key to assets: every other asset_id comes from asset_aliases, and
# checking it in each table costs a third of the time of merging a page
# (docs/adr/0005-foreign-keys.md).
assets = Table(
    "assets",
    metadata,
    Column("asset_id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True, comment="stable and URL-safe; never reused"),
    Column("symbol", Text, comment="as first seen; the current one is in unified"),
    Column("name", Text, comment="as first seen"),
    moment("created_at", default_now=True),
    comment="One canonical coin; asset_id never changes",
)

asset_aliases = Table(
    "asset_aliases",
    metadata,
    Column("id_scope", Text, comment="who issues the external id: a vendor, or one CSV source"),
    Column("external_id", Text),
    Column("asset_id", BigInteger, ForeignKey("assets.asset_id"), nullable=False),
    Column("method", Text, nullable=False),
    Column("confidence", Numeric, nullable=False),
    Column("evidence", JSONB, nullable=False),
    moment("created_at", default_now=True),
    PrimaryKeyConstraint("id_scope", "external_id"),
    UniqueConstraint("asset_id", "id_scope"),
    CheckConstraint("method IN ('pinned','evidence','minted')", name="method"),
    CheckConstraint("confidence > 0 AND confidence <= 1", name="confidence"),
    comment="(scope, external id) -> coin, and why",
)

quotes = Table(
    "quotes",
    metadata,
    Column("asset_id", BigInteger, nullable=False),
    Column("source_id", Integer, nullable=False),
    Column("observed_at", Timestamp, nullable=False),
    *figure_columns(),
    Column("rank", Integer),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    Column("raw_id", BigInteger, nullable=False),
    Column("digest", UUID(as_uuid=True), nullable=False, comment="of the payload, BLAKE2b-128"),
    Column(
        "known_from",
        Timestamp,
        nullable=False,
        server_default=text("now()"),
        comment="since when it is known with these values",
    ),
    PrimaryKeyConstraint("asset_id", "source_id", "observed_at"),
    *figure_checks(),
    postgresql_partition_by="RANGE (observed_at)",
    comment="Every accepted observation, by month",
)

superseded_quotes = Table(
    "superseded_quotes",
    metadata,
    Column("asset_id", BigInteger, nullable=False),
    Column("source_id", Integer, nullable=False),
    Column("observed_at", Timestamp, nullable=False),
    moment("known_from"),
    moment("known_until"),
    *figure_columns(),
    Column("rank", Integer),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    Column("raw_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("asset_id", "source_id", "observed_at", "known_from"),
    comment="Observations as they were until they were corrected or withdrawn",
)

knowledge = Table(
    "knowledge",
    metadata,
    moment("recorded_since"),
    comment="One row: since when it can be told what was known",
)

quotes_latest = Table(
    "quotes_latest",
    metadata,
    Column("source_id", Integer, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("asset_id", BigInteger, nullable=False),
    Column("observed_at", Timestamp, nullable=False),
    Column("inferred_time", Boolean, nullable=False),
    Column("symbol", Text),
    Column("name", Text),
    Column("rank", Integer),
    *figure_columns(),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    Column("raw_id", BigInteger, nullable=False),
    Column("digest", UUID(as_uuid=True), nullable=False),
    PrimaryKeyConstraint("source_id", "external_id"),
    *figure_checks(),
    comment="Newest observation per (source, external id)",
)
Index("quotes_latest_asset_idx", quotes_latest.c.asset_id)
Index(
    "quotes_latest_rank_idx",
    quotes_latest.c.source_id,
    func.coalesce(quotes_latest.c.rank, text(str(UNRANKED))),
    quotes_latest.c.asset_id,
)

unified = Table(
    "unified",
    metadata,
    Column("asset_id", BigInteger, primary_key=True, autoincrement=False),
    Column("symbol", Text),
    Column("name", Text),
    Column("rank", Integer, comment="the best of its sources"),
    *figure_columns(),
    Column("observed_at", Timestamp, nullable=False),
    Column("source_id", Integer, nullable=False, comment="whose observation this row shows"),
    Column("source_ids", ARRAY(Integer), nullable=False, comment="all that contribute"),
    Column("spread_percent", Numeric, comment="highest over lowest price within an hour, in %"),
    moment("updated_at", default_now=True),
    *figure_checks(),
    comment="One row per coin across sources",
)
Index("unified_symbol_idx", unified.c.symbol)
Index("unified_rank_idx", func.coalesce(unified.c.rank, text(str(UNRANKED))), unified.c.asset_id)

tickers = Table(
    "tickers",
    metadata,
    Column("ticker", Text, primary_key=True),
    Column("asset_id", BigInteger, nullable=False),
    moment("since", default_now=True),
    comment="Which coin owns a ticker: the best-ranked of those that share the symbol",
)
Index("tickers_asset_idx", tickers.c.asset_id)

ticker_moves = Table(
    "ticker_moves",
    metadata,
    Column("move_id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticker", Text, nullable=False),
    Column("from_asset_id", BigInteger, nullable=False),
    Column("to_asset_id", BigInteger, nullable=False),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    moment("moved_at", default_now=True),
)
Index("ticker_moves_run_idx", ticker_moves.c.run_id, ticker_moves.c.moved_at)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset", Text, primary_key=True, comment="unified, or source:<source_id>"),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger, nullable=False, server_default=text("0")),
    moment("changed_at", default_now=True),
    comment="Exact totals and a version, written in each load's own transaction",
)

data_changes = Table(
    "data_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False, comment="of unified"),
    moment("changed_at"),
    Column("source_id", Integer, nullable=False, comment="whose page it was"),
    Column("asset_ids", ARRAY(BigInteger), nullable=False),
    comment="Which coins each version changed; kept for a day, for those who follow",
)

# Every pass updates all their rows. Free space in each page of the table lets Postgres keep the new
# version of a row on it and leave the indexes alone (a heap-only tuple update).
HOT_TABLES = (quotes_latest, unified)
"""Tables with a fill factor for frequent updates."""
for _table in HOT_TABLES:
    _alter = DDL(f"ALTER TABLE {_table.name} SET (fillfactor = 70)")  # type: ignore[no-untyped-call]
    event.listen(_table, "after_create", _alter)
