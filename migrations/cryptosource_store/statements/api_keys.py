"""Statements on keys of the API. They bind the public id and the hash, never the key itself."""

from __future__ import annotations

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

# One write for each key in this time, instead of one for each request.
USED_MINUTES = 10
"""Precision of `last_used_at`, in minutes."""

ADD = text("""
INSERT INTO api_keys (key_id, name, digest, scopes, expires_at)
VALUES (:key_id, :name, :digest, :scopes, clock_timestamp() + :days * interval '1 day')
RETURNING key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at
""").bindparams(bindparam("scopes", type_=ARRAY(Text)))

LIST = text("""
SELECT key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
            WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'active' END AS state
  FROM api_keys ORDER BY created_at, key_id
""")

# Only keys that are not revoked yet, so that the time of the first revocation is kept.
REVOKE = text("""
UPDATE api_keys SET revoked_at = clock_timestamp()
 WHERE (key_id = :which OR name = :which) AND revoked_at IS NULL
RETURNING key_id, name
""")

# One row by primary key. Revoked and expired keys are not found, so that the caller learns no more
# about them than about a key that never existed.
FIND = text(f"""
SELECT name, digest, scopes,
       extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds_left,
       COALESCE(last_used_at < clock_timestamp() - interval '{USED_MINUTES} minutes', true)
         AS use_is_news
  FROM api_keys
 WHERE key_id = :key_id AND revoked_at IS NULL
   AND (expires_at IS NULL OR expires_at > clock_timestamp())
""")

# The condition is repeated: of several replicas that saw use_is_news only the first one writes.
USED = text(f"""
UPDATE api_keys SET last_used_at = clock_timestamp()
 WHERE key_id = :key_id
   AND COALESCE(last_used_at < clock_timestamp() - interval '{USED_MINUTES} minutes', true)
""")
