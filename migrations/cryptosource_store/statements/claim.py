"""Claims of sources, and the run row from its insertion to its end.

The advisory lock, the run row and all pages belong to one session: when it ends, the server
releases the lock, and a process that was frozen meanwhile can no longer write.
"""

from __future__ import annotations

from sqlalchemy import text

SOURCE_LOCK_CLASS = 727_002
"""First key of the two-key advisory lock; the second is the source_id."""

RUNS_CHANNEL = "cryptosource_runs"
"""NOTIFY channel; the payload is the source_uid of a source whose runs or checkpoint changed."""

DATA_CHANNEL = "cryptosource_data"
"""NOTIFY channel; the payload is `<source_id>:<version of unified>`."""

TRY_LOCK = text(f"SELECT pg_try_advisory_lock({SOURCE_LOCK_CLASS}, :source_id)")
UNLOCK = text(f"SELECT pg_advisory_unlock({SOURCE_LOCK_CLASS}, :source_id)")

# Ends the session of a holder whose heartbeat stopped. The start is compared too, because the
# server may have given the pid to another session since.
END_SILENT_HOLDER = text("""
SELECT pg_terminate_backend(a.pid)
  FROM etl_runs r
  JOIN pg_stat_activity a ON a.pid = r.backend_pid AND a.backend_start = r.backend_start
 WHERE r.source_id = :source_id AND r.status = 'running'
   AND r.heartbeat_at < clock_timestamp() - make_interval(secs => :silent_seconds)
""")

# Only under the source's lock: the process of a run that is still 'running' then has died.
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

# `processed` is only written by the page transactions, so that it always agrees with the data. The
# condition keeps a run that was declared interrupted from ending a second time.
FINISH_RUN = text("""
UPDATE etl_runs SET status = :status, reason = :reason, message = :message,
       finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
       next_attempt_at = clock_timestamp() + make_interval(secs => :retry_after_seconds),
       requests = :requests, retries = :retries
 WHERE run_id = :run_id AND status = 'running'
RETURNING run_id
""")

NOTIFY = text("SELECT pg_notify(:channel, :payload)")
