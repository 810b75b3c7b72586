"""What upstreams sent: payloads as received, rejected records, and which ids each one lists."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cryptosource_store.tables.schema import Timestamp, metadata, moment

raw_record_id_seq = Sequence("raw_record_id_seq", metadata=metadata, cache=100)

raw_records = Table(
    "raw_records",
    metadata,
    Column("source_type", Text, nullable=False),
    Column("raw_id", BigInteger, nullable=False),
    Column("ingested_at", Timestamp, nullable=False),
    Column("source_id", Integer, nullable=False),
    Column("run_id", UUID(as_uuid=True), nullable=False),
    Column("external_id", Text),
    Column("observed_at", Timestamp),
    Column("digest", UUID(as_uuid=True), nullable=False, comment="of the bytes received"),
    Column("scrubbed", Boolean, nullable=False, comment="NUL or lone surrogates became U+FFFD"),
    Column("payload", JSONB, nullable=False),
    PrimaryKeyConstraint("source_type", "raw_id", "ingested_at"),
    postgresql_partition_by="LIST (source_type)",
    comment="Payloads as received, by source type and month of arrival",
)
Index("raw_records_external_id_idx", raw_records.c.external_id, raw_records.c.source_id)

rejected_records = Table(
    "rejected_records",
    metadata,
    Column("rejected_id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, nullable=False),
    Column("external_id", Text),
    Column("digest", UUID(as_uuid=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("field", Text),
    Column("detail", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("raw_id", BigInteger, nullable=False),
    Column("run_id", UUID(as_uuid=True), nullable=False, comment="the run that met it last"),
    Column("occurrences", BigInteger, nullable=False, server_default=text("1")),
    moment("first_seen_at", default_now=True),
    moment("last_seen_at", default_now=True),
    moment("replayed_at", nullable=True),
    UniqueConstraint("source_id", "digest", "reason"),
    comment="Quarantine: records that were refused, each once, with the reason",
)
Index("rejected_records_run_idx", rejected_records.c.run_id)

listings = Table(
    "listings",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.source_id"), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("from_epoch", BigInteger, nullable=False, comment="of the first run that saw it"),
    moment("listed_at", default_now=True),
    Column("until_epoch", BigInteger, comment="of the first run that did not see it any more"),
    moment("delisted_at", nullable=True),
    PrimaryKeyConstraint("source_id", "external_id", "from_epoch"),
    comment="Ids of complete passes: a row while an upstream lists an id, written when it changes",
)
Index(
    "listings_open_idx",
    listings.c.source_id,
    listings.c.external_id,
    unique=True,
    postgresql_where=listings.c.until_epoch.is_(None),
)
Index("listings_from_idx", listings.c.source_id, listings.c.from_epoch)
Index(
    "listings_until_idx",
    listings.c.source_id,
    listings.c.until_epoch,
    postgresql_where=listings.c.until_epoch.is_not(None),
)
