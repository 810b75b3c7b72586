"""Rows of `sources`: inserted, adopted by a re-created resource, retired when theirs is deleted."""

from __future__ import annotations

from sqlalchemy import text

# Index sources_identity_idx. Row lock on the source only; of two sessions that insert a new source
# the partial unique index refuses one. A retired row is used again when its resource is re-created.
# Only the operator knows a resource's cluster: a run keeps it, unless the row was another
# resource's.
ADOPT_SOURCE = text("""
UPDATE sources SET uid = :uid, schedule = :schedule, time_zone = :time_zone,
       suspended = :suspended, max_age_seconds = :max_age_seconds,
       cluster = COALESCE(CAST(:cluster AS text), CASE WHEN uid = :uid THEN cluster END),
       retired_at = NULL, updated_at = clock_timestamp()
 WHERE source_id = (SELECT source_id FROM sources
                     WHERE namespace = :namespace AND name = :name AND source_type = :source_type
                     ORDER BY retired_at DESC NULLS FIRST LIMIT 1)
RETURNING source_id
""")

# By the unique key of uid and by sources_identity_idx. A resource of the same name but another type
# is another source: the old one is retired and gives up its uid.
RETIRE_OTHER_TYPE = text("""
UPDATE sources SET retired_at = COALESCE(retired_at, clock_timestamp()),
       uid = CASE WHEN uid = :uid THEN uid || '@' || source_id ELSE uid END
 WHERE (uid = :uid OR (namespace = :namespace AND name = :name AND retired_at IS NULL))
   AND NOT (namespace = :namespace AND name = :name AND source_type = :source_type)
""")

INSERT_SOURCE = text("""
INSERT INTO sources (uid, namespace, name, source_type, schedule, time_zone, suspended,
                     max_age_seconds, cluster)
VALUES (:uid, :namespace, :name, :source_type, :schedule, :time_zone, :suspended,
        :max_age_seconds, :cluster)
ON CONFLICT DO NOTHING
RETURNING source_id
""")

# All sources of a list that have no row yet, in one statement and one commit; the others are
# registered one at a time. By the unique key of uid and by sources_identity_idx; in the order of
# names, so that two operators that register the same list do not deadlock.
INSERT_UNSEEN_SOURCES = text("""
INSERT INTO sources (uid, namespace, name, source_type, schedule, time_zone, suspended,
                     max_age_seconds, cluster)
SELECT a.uid, a.namespace, a.name, a.source_type, a.schedule, a.time_zone, a.suspended,
       a.max_age_seconds, a.cluster
  FROM jsonb_to_recordset(CAST(:rows AS jsonb))
       AS a(uid text, namespace text, name text, source_type text, schedule text, time_zone text,
            suspended boolean, max_age_seconds integer, cluster text)
 WHERE NOT EXISTS (SELECT 1 FROM sources s WHERE s.uid = a.uid)
   AND NOT EXISTS (SELECT 1 FROM sources s WHERE s.namespace = a.namespace AND s.name = a.name)
 ORDER BY a.namespace, a.name
ON CONFLICT DO NOTHING
RETURNING uid
""")

# By the unique key of uid. Kubernetes never uses a uid again, so a late retirement is still right.
RETIRE_SOURCE = text("""
UPDATE sources SET retired_at = clock_timestamp(), updated_at = clock_timestamp()
 WHERE uid = :uid AND retired_at IS NULL
RETURNING source_id
""")

# A scan of sources, which has a row per resource ever seen; executed once a minute. No namespaces
# means all of them.
UNLISTED_SOURCES = text("""
SELECT uid, namespace, name FROM sources
 WHERE cluster = :cluster AND retired_at IS NULL
   AND NOT uid = ANY (CAST(:uids AS text[]))
   AND (cardinality(CAST(:namespaces AS text[])) = 0
        OR namespace = ANY (CAST(:namespaces AS text[])))
 ORDER BY updated_at
 LIMIT 100
""")
