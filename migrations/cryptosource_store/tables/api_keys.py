"""Keys of the API, stored as hashes."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from cryptosource_store.tables.schema import metadata, moment

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True, comment="the public part of the key"),
    Column("name", Text, nullable=False, comment="whom it was made for"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    Column("scopes", ARRAY(Text), nullable=False),
    moment("created_at", default_now=True),
    moment("expires_at", nullable=True),
    moment("revoked_at", nullable=True),
    moment("last_used_at", nullable=True),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint(
        "scopes <@ ARRAY['read','trigger','admin'] AND cardinality(scopes) > 0", name="scopes"
    ),
    comment="Keys of the API; last_used_at is true to ten minutes",
)
