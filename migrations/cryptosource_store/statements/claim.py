"""Claiming a source, and the life of a run row.

The advisory lock, the run row and every page live on one session: when that session dies, the
server frees the lock and a frozen holder that comes back cannot write.
"""

from __future__ import annotations

from sqlalchemy import text

SOURCE_LOCK_CLASS = 727_002
"""First key of the two-key advisory lock; the second is the source_id."""

RUNS_CHANNEL = "cryptosource_runs"
"""NOTIFY channel: payload is the source_uid whose runs or checkpoint changed."""

DATA_CHANNEL = "cryptosource_data"
"""NOTIFY channel: payload is '<source_id>:<version of unified>'."""

TRY_LOCK = text(f"SELECT pg_try_advisory_lock({SOURCE_LOCK_CLASS}, :source_id)")
UNLOCK = text(f"SELECT pg_advisory_unlock({SOURCE_LOCK_CLASS}, :source_id)")

# Ends the session of a holder whose heartbeat stopped; pid and start time name it beyond doubt.
END_SILENT_HOLDER = text("""
SELECT pg_terminate_backend(a.pid)
  FROM etl_runs r
  JOIN pg_stat_activity a ON a.pid = r.backend_pid AND a.backend_start = r.backend_start
 WHERE r.source_id = :source_id AND r.status = 'running'
   AND r.heartbeat_at < clock_timestamp() - make_interval(secs => :silent_seconds)
""")

# Only under the source's lock: whoever is still 'running' then is dead.
INTERRUPT_DEAD_RUNS = text("""
UPDATE etl_runs SET status = 'interrupted', reason = 'Interrupted',
       message = 'Interrupted due to restart', finished_at = clock_timestamp()
 WHERE source_id = :source_id AND status = 'running'
RETURNING run_id
""")

PRIOR_SUCCESS = text("""
SELECT run_id FROM etl_runs
 WHERE source_uid = :source_uid AND job_name = :job_name AND status = 'success'
""")

NEXT_EPOCH = text("""
INSERT INTO etl_checkpoints AS c (source_id, epoch) VALUES (:source_id, 1)
ON CONFLICT (source_id) DO UPDATE SET epoch = c.epoch + 1
RETURNING epoch, cursor, records_committed, observed_at
""")

INSERT_RUN = text("""
INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, attempt, trigger, status, epoch,
                      trace_id, host, backend_pid, backend_start, reason, message, finished_at)
SELECT :run_id, :source_id, :source_uid, :job_name,
       1 + coalesce(max(attempt), 0), :trigger, :status, :epoch, :trace_id, :host,
       pg_backend_pid(),
       (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
       :reason, :message,
       CASE WHEN :status = 'running' THEN NULL ELSE clock_timestamp() END
  FROM etl_runs WHERE source_uid = :source_uid AND job_name = :job_name
ON CONFLICT (source_uid, job_name, attempt) DO NOTHING
RETURNING attempt
""")

HEARTBEAT = text("""
UPDATE etl_runs SET heartbeat_at = clock_timestamp(), requests = :requests, retries = :retries
 WHERE run_id = :run_id AND status = 'running'
""")

# `processed` is left to the page transactions: it can never disagree with the data.
FINISH_RUN = text("""
UPDATE etl_runs SET status = :status, reason = :reason, message = :message,
       finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
       next_attempt_at = clock_timestamp() + make_interval(secs => :retry_after_seconds),
       requests = :requests, retries = :retries
 WHERE run_id = :run_id AND status = 'running'
RETURNING run_id
""")

NOTIFY = text("SELECT pg_notify(:channel, :payload)")
