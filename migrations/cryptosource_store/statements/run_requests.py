"""Requests for runs: their placement, their answers, and their state."""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements.claim import SOURCE_LOCK_CLASS as RUN_LOCK_CLASS
from cryptosource_store.statements.coins import rfc3339

REQUESTS_CHANNEL = "cryptosource_run_requests"
"""NOTIFY channel of new requests. The table is also polled, in case a notification is lost."""

KEY_LOCK_CLASS = 727_005
SOURCE_LOCK_CLASS = 727_006
"""First keys of two-key advisory locks, taken in this order and held until the transaction ends."""

UP_LOCK_CLASS = 727_007
"""First key of a session's advisory lock; the second is the source_id. Of several `up` processes
the holder answers the requests for that source, also those that a killed process left unfinished."""

UP = "up/"
"""Prefix of `accepted_by` in requests that a `cryptosource up` answered."""

KEYS_KEPT = "24 hours"
"""How long an idempotency key gets its stored answer."""
WINDOW_SECONDS = 60
"""Time in which requests are counted for the rate limit."""
JOBS_SHOWN = 100
"""Maximum number of Jobs in the state of a request."""

# A concurrent request with the same key waits here, and then finds the stored answer.
LOCK_KEY = text(f"SELECT pg_advisory_xact_lock({KEY_LOCK_CLASS}, hashtext(:caller || ' ' || :key))")

# Primary key.
STORED_ANSWER = text(f"""
SELECT digest, answer FROM run_request_keys
 WHERE caller = :caller AND idempotency_key = :key
   AND created_at > clock_timestamp() - interval '{KEYS_KEPT}'
""")

STORE_ANSWER = text("""
INSERT INTO run_request_keys AS k (caller, idempotency_key, digest, request_id, answer)
VALUES (:caller, :key, :digest, CAST(:request_id AS uuid), CAST(:answer AS jsonb))
ON CONFLICT (caller, idempotency_key) DO UPDATE
   SET digest = excluded.digest, request_id = excluded.request_id, answer = excluded.answer,
       created_at = clock_timestamp()
""")

# Index sources_identity_idx where a namespace is given; else a scan of a small table.
SOURCES_NAMED = text("""
SELECT source_id, namespace, suspended, retired_at FROM sources
 WHERE name = :name AND (CAST(:namespace AS text) IS NULL OR namespace = :namespace)
 ORDER BY retired_at DESC NULLS FIRST, namespace LIMIT 20
""")

ANY_ACTIVE = text("""
SELECT EXISTS (SELECT 1 FROM sources WHERE retired_at IS NULL AND NOT suspended)
""")

# Requests for one source are placed one after another; 0 stands for all sources.
LOCK_SOURCE = text(f"SELECT pg_advisory_xact_lock({SOURCE_LOCK_CLASS}, :source_id)")

_ANSWER_FIELDS = f"""r.request_id::text AS request_id, s.name AS source, s.namespace,
       {rfc3339("r.requested_at")} AS requested_at, {rfc3339("r.expires_at")} AS expires_at"""

# Index run_requests_pending_idx, which has few entries.
PENDING_REQUEST = text(f"""
SELECT {_ANSWER_FIELDS}
  FROM run_requests r LEFT JOIN sources s USING (source_id)
 WHERE r.status = 'pending' AND r.expires_at > clock_timestamp()
   AND r.source_id IS NOT DISTINCT FROM CAST(:source_id AS integer)
 ORDER BY r.requested_at DESC LIMIT 1
""")

# Index run_requests_source_idx.
RECENT_REQUESTS = text(f"""
SELECT count(*) AS requests,
       ceil(extract(epoch FROM min(requested_at) - clock_timestamp()) + {WINDOW_SECONDS})::integer
         AS wait_seconds
  FROM run_requests
 WHERE source_id IS NOT DISTINCT FROM CAST(:source_id AS integer)
   AND requested_at > clock_timestamp() - interval '{WINDOW_SECONDS} seconds'
""")

INSERT_REQUEST = text(f"""
WITH r AS (
  INSERT INTO run_requests (request_id, source_id, requested_by, traceparent)
  VALUES (CAST(:request_id AS uuid), :source_id, :requested_by, :traceparent) RETURNING *
)
SELECT {_ANSWER_FIELDS} FROM r LEFT JOIN sources s USING (source_id)
""")

# A request without a source is for all sources. Expired requests are never answered.
PENDING_REQUESTS = text("""
SELECT r.request_id::text AS request_id, r.source_id IS NULL AS for_all, s.uid,
       COALESCE(r.traceparent, '') AS traceparent
  FROM run_requests r
  LEFT JOIN sources s ON s.source_id = r.source_id AND s.retired_at IS NULL
 WHERE r.status = 'pending' AND r.expires_at > clock_timestamp()
 ORDER BY r.requested_at
 LIMIT 100
""")

# Row lock on the request only; the second of two concurrent answers updates no row.
ANSWER_REQUEST = text("""
UPDATE run_requests SET status = :status, reason = :reason, accepted_by = :accepted_by,
       accepted_at = clock_timestamp()
 WHERE request_id = CAST(:request_id AS uuid) AND status = 'pending'
RETURNING request_id
""")

TRY_LOCK_FOR_UP = text(f"SELECT pg_try_advisory_lock({UP_LOCK_CLASS}, :source_id)")

# Executed once when an `up` starts, because it reads every stored request. Postgres may release the
# lock of a dead session late; until then the source is `busy`.
UNFINISHED_JOBS = text(f"""
SELECT j.source_uid AS uid, j.job_name, COALESCE(r.traceparent, '') AS traceparent,
       EXISTS (SELECT 1 FROM sources s
                 JOIN pg_locks l ON l.objid::bigint = s.source_id
                 JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                WHERE s.uid = j.source_uid AND l.locktype = 'advisory' AND l.granted
                  AND l.classid = {RUN_LOCK_CLASS} AND l.objsubid = 2) AS busy
  FROM run_request_jobs j
  JOIN run_requests r USING (request_id)
 WHERE j.source_uid = ANY(:uids) AND starts_with(r.accepted_by, '{UP}')
   AND NOT EXISTS (SELECT 1 FROM etl_runs x
                    WHERE x.source_uid = j.source_uid AND x.job_name = j.job_name
                      AND x.status IN ('success', 'failure', 'skipped'))
 ORDER BY r.accepted_at, r.request_id
""")

INSERT_JOB = text("""
INSERT INTO run_request_jobs (request_id, source_uid, job_name)
VALUES (CAST(:request_id AS uuid), :source_uid, :job_name) ON CONFLICT DO NOTHING
""")

# Primary keys, and the unique key (source_uid, job_name, attempt) of etl_runs. A Job has the status
# of an attempt that succeeded, else of its last attempt.
REQUEST = text(f"""
WITH jobs AS MATERIALIZED (
  SELECT j.source_uid, j.job_name, r.*
    FROM run_request_jobs j
    LEFT JOIN LATERAL (
         SELECT x.run_id, x.source_id, x.attempt, x.status, x.reason, x.message, x.started_at,
                x.finished_at
           FROM etl_runs x WHERE x.source_uid = j.source_uid AND x.job_name = j.job_name
          ORDER BY (x.status = 'success') DESC, x.attempt DESC LIMIT 1) r ON true
   WHERE j.request_id = CAST(:request_id AS uuid)
), counts AS (
  SELECT count(*) AS jobs,
         count(*) FILTER (WHERE status IS NULL) AS waiting,
         count(*) FILTER (WHERE status = 'running') AS running,
         count(*) FILTER (WHERE status = 'success') AS success,
         count(*) FILTER (WHERE status = 'failure') AS failure,
         count(*) FILTER (WHERE status = 'interrupted') AS interrupted,
         count(*) FILTER (WHERE status = 'skipped') AS skipped
    FROM jobs
)
SELECT row_to_json(found)::text AS body FROM (
  SELECT q.request_id, s.name AS source, s.namespace,
         CASE WHEN q.status = 'pending' AND q.expires_at <= clock_timestamp() THEN 'expired'
              WHEN q.status <> 'accepted' THEN q.status
              WHEN c.waiting = c.jobs THEN 'accepted'
              WHEN c.waiting + c.running > 0 THEN 'running'
              WHEN c.failure + c.interrupted > 0 THEN 'failed'
              WHEN c.success > 0 THEN 'succeeded'
              ELSE 'skipped' END AS status,
         CASE WHEN q.status = 'pending' AND q.expires_at <= clock_timestamp() THEN 'NotTakenUp'
              ELSE q.reason END AS reason,
         q.requested_by, {rfc3339("q.requested_at")} AS requested_at,
         {rfc3339("q.expires_at")} AS expires_at, {rfc3339("q.accepted_at")} AS answered_at,
         q.accepted_by AS answered_by,
         (SELECT row_to_json(c)) AS counts,
         (SELECT COALESCE(json_agg(row_to_json(x)), '[]'::json) FROM (
            SELECT j.job_name, n.name AS source, n.namespace, j.run_id, j.attempt, j.status,
                   j.reason, j.message, {rfc3339("j.started_at")} AS started_at,
                   {rfc3339("j.finished_at")} AS finished_at
              FROM jobs j
              LEFT JOIN LATERAL (
                   SELECT name, namespace FROM sources o
                    WHERE o.source_id = j.source_id OR o.uid = j.source_uid
                    ORDER BY (o.source_id = j.source_id) DESC NULLS LAST LIMIT 1) n ON true
             ORDER BY n.namespace, n.name, j.job_name LIMIT {JOBS_SHOWN}) x) AS runs
    FROM run_requests q
    LEFT JOIN sources s USING (source_id)
   CROSS JOIN counts c
   WHERE q.request_id = CAST(:request_id AS uuid)
) found
""")
