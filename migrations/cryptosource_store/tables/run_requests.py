"""Requests for runs, the Jobs that were started for them, and stored answers by idempotency key."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cryptosource_store.tables.schema import Timestamp, metadata, moment

run_requests = Table(
    "run_requests",
    metadata,
    Column("request_id", UUID(as_uuid=True), primary_key=True),
    Column("source_id", Integer, ForeignKey("sources.source_id"), comment="null: every source"),
    Column("requested_by", Text),
    Column("traceparent", Text, comment="of the request, by W3C Trace Context"),
    moment("requested_at", default_now=True),
    Column(
        "expires_at",
        Timestamp,
        nullable=False,
        server_default=text("clock_timestamp() + '00:10:00'::interval"),
        comment="nobody may take it up after that",
    ),
    moment("accepted_at", nullable=True),
    Column("accepted_by", Text, comment="who answered it, accepting or refusing"),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text, comment="why it was refused"),
    CheckConstraint("status IN ('pending','accepted','refused')", name="status"),
)
Index(
    "run_requests_pending_idx",
    run_requests.c.requested_at,
    postgresql_where=run_requests.c.status == "pending",
)
Index("run_requests_source_idx", run_requests.c.source_id, run_requests.c.requested_at)

_REQUEST = "run_requests.request_id"

run_request_jobs = Table(
    "run_request_jobs",
    metadata,
    Column("request_id", UUID(as_uuid=True), ForeignKey(_REQUEST, ondelete="CASCADE")),
    Column("source_uid", Text, nullable=False),
    Column("job_name", Text, nullable=False, comment="with source_uid: finds the run"),
    PrimaryKeyConstraint("request_id", "source_uid"),
    comment="What was started for a request",
)

run_request_keys = Table(
    "run_request_keys",
    metadata,
    Column("caller", Text, comment="keys of two callers never meet"),
    Column("idempotency_key", Text),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of what was asked for"),
    Column(
        "request_id",
        UUID(as_uuid=True),
        ForeignKey(_REQUEST, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("answer", JSONB, nullable=False),
    moment("created_at", default_now=True),
    PrimaryKeyConstraint("caller", "idempotency_key"),
    comment="Answers that are given again to who asks again",
)
