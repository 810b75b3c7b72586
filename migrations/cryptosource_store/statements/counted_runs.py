"""Which runs count as evidence about their source, and the summary of those runs.

A row of `etl_runs` is an attempt of a Job. The rule, which is stated here only:

- A replay sends no request to the upstream, and a skipped attempt does nothing: neither counts.
- An interrupted attempt whose Job made another attempt is resumed: it does not count either. Any
  other attempt counts once it has ended, a failure too, although its Job may try again.
- The last run is the newest attempt that counts. The last success and failure are the newest of
  their kind, where an interruption that was not resumed is a failure.
- Consecutive failures are the Jobs, not the attempts, that failed since the last success, counted
  within the newest `MAX_ATTEMPTS_COUNTED` attempts; at least one where the last run failed, else
  none.

`etl_run_totals` outlives the rows of runs and has the time at which a run last ended in each
status. So the last success, and whether the last run succeeded, stay known when retention has
deleted the rows. Runs of a source never overlap: a run that started after a success ended is later
than it.

Ages are by the database's clock, which also stamped the runs. All reads are by etl_run_totals_pkey,
etl_runs_running_key and a few of the newest entries of etl_runs_source_started_idx; whether an
attempt was resumed is looked up by the unique key of etl_runs.
"""

from __future__ import annotations

from cryptosource_store.reasons import RunStatus, Trigger

# A source that fails for weeks must not make each read slower.
MAX_ATTEMPTS_COUNTED = 100
"""Consecutive failures are counted within this number of newest attempts."""

ENDED_STATUSES = (RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.INTERRUPTED)
"""Statuses of runs that have ended and were not skipped."""


def asked_upstream(run: str) -> str:
    """Return the condition that a run is not a replay.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"{run}.trigger <> '{Trigger.REPLAY}'"


def counts(run: str) -> str:
    """Return the condition that a run counts for its source, or will count once it has ended.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"({asked_upstream(run)} AND {run}.status <> '{RunStatus.SKIPPED}')"


def resumed(run: str) -> str:
    """Return the condition that a run was interrupted and its Job has made another attempt.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"""({run}.status = '{RunStatus.INTERRUPTED}' AND EXISTS (
           SELECT 1 FROM etl_runs later
            WHERE later.source_uid = {run}.source_uid AND later.job_name = {run}.job_name
              AND later.attempt > {run}.attempt AND {counts("later")}))"""


def has_ended(row: str) -> str:
    """Return the condition that a run has ended and was not skipped, whether or not it was resumed.

    Args:
        row: alias of a row of `etl_runs` or of `etl_run_totals`.
    """
    statuses = ", ".join(f"'{status}'" for status in ENDED_STATUSES)
    return f"{row}.status IN ({statuses})"


def ended_and_counts(run: str) -> str:
    """Return the condition that a run has ended and counts.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"{counts(run)} AND {run}.status <> '{RunStatus.RUNNING}' AND NOT {resumed(run)}"


def failed(run: str) -> str:
    """Return the condition that a run has ended, counts and did not succeed.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return (
        f"{counts(run)} AND {run}.status IN ('{RunStatus.FAILURE}', '{RunStatus.INTERRUPTED}') "
        f"AND NOT {resumed(run)}"
    )


# The totals do not say whether an interrupted run was resumed.
_CERTAIN = f"t.status IN ('{RunStatus.SUCCESS}', '{RunStatus.FAILURE}')"

JOINS = f"""
 CROSS JOIN LATERAL (
       SELECT max(t.last_at) FILTER (WHERE t.status = '{RunStatus.SUCCESS}') AS succeeded_at,
              max(t.last_at) FILTER (WHERE t.status = '{RunStatus.FAILURE}') AS failed_at,
              max(t.last_at) FILTER (WHERE t.status IN ('{RunStatus.FAILURE}',
                                                        '{RunStatus.INTERRUPTED}')) AS broken_at,
              max(t.last_at) FILTER (WHERE {_CERTAIN}) AS ended_at,
              (array_agg(t.status ORDER BY t.last_at DESC) FILTER (WHERE {_CERTAIN}))[1] AS status,
              (array_agg(t.reason ORDER BY t.last_at DESC) FILTER (WHERE {_CERTAIN}))[1] AS reason
         FROM etl_run_totals t WHERE t.source_id = s.source_id) known
  LEFT JOIN etl_runs running ON running.source_id = s.source_id
       AND running.status = '{RunStatus.RUNNING}' AND {asked_upstream("running")}
  LEFT JOIN LATERAL (
       SELECT * FROM etl_runs r WHERE r.source_id = s.source_id AND {ended_and_counts("r")}
        ORDER BY r.started_at DESC LIMIT 1) last ON true
 CROSS JOIN LATERAL (
       SELECT count(DISTINCT r.job_name) AS failures
         FROM (SELECT r.source_uid, r.job_name, r.attempt, r.status, r.trigger FROM etl_runs r
                WHERE last.status <> '{RunStatus.SUCCESS}' AND r.source_id = s.source_id
                  AND r.started_at >= COALESCE(known.succeeded_at, '-infinity')
                ORDER BY r.started_at DESC LIMIT {MAX_ATTEMPTS_COUNTED}) r
        WHERE {failed("r")}) streak"""
"""Joins for `sources s`. `known` has facts from the totals, `running` and `last` are rows of
`etl_runs`, and `streak` counts the consecutive failures."""

# Retention may have deleted the row of the last run; the totals still have its status.
_LAST_STATUS = "CASE WHEN last.run_id IS NULL THEN known.status ELSE last.status END"

FIGURES = f"""s.suspended, s.max_age_seconds, running.run_id IS NOT NULL AS running,
       CASE WHEN known.succeeded_at IS NOT NULL THEN
         greatest(extract(epoch FROM clock_timestamp() - known.succeeded_at), 0)
       END AS age_seconds,
       CASE WHEN {_LAST_STATUS} <> '{RunStatus.SUCCESS}' THEN greatest(streak.failures, 1)
            ELSE 0 END AS consecutive_failures"""
"""The figures about a source from `JOINS`."""

COLUMNS = f"""{FIGURES},
       running.run_id::text AS running_run_id, running.started_at AS running_since,
       last.run_id::text AS last_run_id, last.trigger AS last_trigger,
       {_LAST_STATUS} AS last_status,
       CASE WHEN last.run_id IS NULL THEN known.reason ELSE last.reason END AS last_reason,
       last.message AS last_message, last.started_at AS last_started_at,
       CASE WHEN last.run_id IS NULL THEN known.ended_at ELSE last.finished_at END
         AS last_finished_at,
       last.next_attempt_at, known.succeeded_at AS last_success_at"""
"""All columns about a source from `JOINS`, of which `source_state.RunHistory` is made."""

# `broken_at` keeps this cheap: nothing is read of a source that never failed, and any other is read
# from its last failure or interruption. Only where that was resumed are earlier rows read.
LAST_FAILURE = f"""(
       SELECT r.* FROM etl_runs r
        WHERE r.source_id = s.source_id AND {failed("r")} AND r.started_at <= known.broken_at
        ORDER BY r.started_at DESC LIMIT 1)"""
"""Subquery of the last failure, for a lateral join after `JOINS`."""
