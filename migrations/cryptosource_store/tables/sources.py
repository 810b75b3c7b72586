"""Sources, their checkpoints, runs, totals and drifts, and shared rate limits."""

from __future__ import annotations

from sqlalchemy import (
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
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cryptosource_store.tables.schema import Timestamp, metadata, moment

EMPTY_OBJECT = text("'{}'::jsonb")

sources = Table(
    "sources",
    metadata,
    Column("source_id", Integer, Identity(always=True), primary_key=True),
    Column("uid", Text, nullable=False, unique=True, comment="metadata.uid of the CryptoSource"),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source_type", Text, nullable=False, comment="spec.type in lower case"),
    Column("schedule", Text),
    Column("time_zone", Text),
    Column("suspended", Boolean, nullable=False, server_default=text("false")),
    Column("max_age_seconds", Integer, comment="spec.freshness.maxAgeSeconds"),
    Column("accepted_shape", JSONB, comment="field -> JSON types, of the last complete pass"),
    moment("created_at", default_now=True),
    moment("updated_at", default_now=True),
    moment("retired_at", nullable=True),
    Column(
        "cluster", Text, comment="where its resource is; null: in none that an operator watches"
    ),
    comment="A CryptoSource as the store knows it; a re-created one of the same name goes on",
)
# Among sources that exist: a retired one keeps its name beside its successor of another type.
Index(
    "sources_namespace_name_key",
    sources.c.namespace,
    sources.c.name,
    unique=True,
    postgresql_where=sources.c.retired_at.is_(None),
)
Index(
    "sources_identity_idx",
    sources.c.namespace,
    sources.c.name,
    sources.c.source_type,
    sources.c.retired_at,
)

etl_checkpoints = Table(
    "etl_checkpoints",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.source_id"), primary_key=True),
    Column("cursor", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column(
        "records_committed",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="records of the current pass over the upstream that are in",
    ),
    Column(
        "observed_at", Timestamp, comment="newest observation ever committed: a report, no filter"
    ),
    Column("run_id", UUID(as_uuid=True), comment="the run that wrote this row last"),
    Column("listing_digest", UUID(as_uuid=True), comment="of the ids that the last pass listed"),
    Column(
        "epoch",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="grows with each claim; a commit must carry the current one",
    ),
    moment("updated_at", default_now=True),
    CheckConstraint("records_committed >= 0", name="records_committed"),
)

etl_runs = Table(
    "etl_runs",
    metadata,
    Column("run_id", UUID(as_uuid=True), primary_key=True),
    Column("source_id", Integer, ForeignKey("sources.source_id"), nullable=False),
    Column("source_uid", Text, nullable=False),
    Column("job_name", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("trigger", Text, nullable=False, comment="schedule, manual, create, api, replay"),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("message", Text),
    moment("started_at", default_now=True),
    moment("heartbeat_at", default_now=True),
    moment("finished_at", nullable=True),
    moment("next_attempt_at", nullable=True),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("processed", "loaded", "unchanged", "rejected", "pages", "requests", "retries")
    ),
    Column("records_total", BigInteger, comment="of the whole pass, where the source knows it"),
    Column(
        "listed",
        Integer,
        comment="ids of a complete pass over the upstream; null: this run saw a part",
    ),
    Column(
        "reject_reasons", JSONB, comment="rejected records by reason; null: none, or not counted"
    ),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("trace_id", Text),
    Column("backend_pid", Integer, comment="of the session that holds the source's lock"),
    moment("backend_start", nullable=True),
    Column("host", Text),
    UniqueConstraint("source_uid", "job_name", "attempt"),
    CheckConstraint(
        "status IN ('running','success','failure','interrupted','skipped')", name="status"
    ),
    CheckConstraint("(status = 'running') = (finished_at IS NULL)", name="finished"),
    CheckConstraint("processed = loaded + unchanged + rejected", name="counts"),
)
Index("etl_runs_source_started_idx", etl_runs.c.source_id, etl_runs.c.started_at.desc())
Index("etl_runs_started_idx", etl_runs.c.started_at.desc(), etl_runs.c.run_id)
# Unique, so that even without the advisory lock a source cannot have two runs at once.
Index(
    "etl_runs_running_key",
    etl_runs.c.source_id,
    unique=True,
    postgresql_where=etl_runs.c.status == "running",
)

etl_run_totals = Table(
    "etl_run_totals",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.source_id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("bucket", SmallInteger, nullable=False, comment="how many bounds are below its seconds"),
    Column("runs", BigInteger, nullable=False),
    Column("seconds", Numeric, nullable=False, comment="from start to end, summed"),
    *(Column(name, BigInteger, nullable=False) for name in ("loaded", "unchanged", "rejected")),
    moment("last_at"),
    PrimaryKeyConstraint("source_id", "status", "reason", "bucket"),
    comment="Every run that ever ended, replays apart; it outlives the rows of etl_runs",
)

schema_drifts = Table(
    "schema_drifts",
    metadata,
    Column("drift_id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, ForeignKey("sources.source_id"), nullable=False),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    Column("field", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("types_before", JSONB, nullable=False),
    Column("types_after", JSONB, nullable=False),
    moment("detected_at", default_now=True),
    CheckConstraint("change IN ('appeared','vanished','retyped')", name="change"),
)
Index("schema_drifts_source_idx", schema_drifts.c.source_id, schema_drifts.c.drift_id)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("bucket", Text, primary_key=True, comment="host and a hash of the key, never the key"),
    Column(
        "arrival",
        Numeric,
        nullable=False,
        comment="theoretical arrival time of the generic cell rate algorithm, unix seconds",
    ),
    prefixes=["UNLOGGED"],
    comment="Shared by all pods of one key; losing it in a crash refills the bucket",
)
