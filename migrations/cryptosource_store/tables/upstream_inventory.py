"""Which ids an upstream listed, from which pass to which."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from cryptosource_store.tables.schema import metadata, moment

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
