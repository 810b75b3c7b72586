"""Which runs say something about their source, and what they come to.

A row of `etl_runs` is an attempt of a Job. The rule, which nothing else repeats:

- A replay asks no upstream and a skipped attempt did nothing: neither says anything.
- An interrupted attempt whose Job made another attempt is resumed: it says nothing either. Any
  other attempt that ended speaks, a failure at once, although its Job may try again.
- The last run is the newest attempt that speaks. The last success and failure are the newest of
  their kind, an interruption that was not resumed being a failure.
- Consecutive failures are the Jobs, not the attempts, that failed since the last success, counted
  within the newest `MAX_ATTEMPTS_COUNTED` attempts; at least one where the last run failed, else
  none.

`etl_run_totals` outlives the rows and knows when a run last ended in each status, so the last
success, and whether the last run succeeded, stay known when retention has deleted their rows. Runs
of a source never overlap: what started after a success ended is behind it.

Ages are by the database's clock, which stamped the runs. Everything is by etl_run_totals_pkey,
etl_runs_running_key and a few newest entries of etl_runs_source_started_idx, whether an attempt was
resumed by the unique key of etl_runs.
"""

from __future__ import annotations

from cryptosource_store.reasons import RunStatus, Trigger

MAX_ATTEMPTS_COUNTED = 100
"""Consecutive failures are counted within so many attempts: a source that fails for weeks must not
make every reading slower."""

ENDED_STATUSES = (RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.INTERRUPTED)
"""Of runs that did something and are over."""


def asked_upstream(run: str) -> str:
    """Return the condition that a run is no replay.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"{run}.trigger <> '{Trigger.REPLAY}'"


def counts(run: str) -> str:
    """Return the condition that a run says something about its source, now or when it has ended.

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


def ended(run: str) -> str:
    """Return the condition that a run has ended and says how.

    Args:
        run: alias of a row of `etl_runs`.
    """
    return f"{counts(run)} AND {run}.status <> '{RunStatus.RUNNING}' AND NOT {resumed(run)}"


def failed(run: str) -> str:
    """Return the condition that a run has ended and did not succeed.

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
       SELECT * FROM etl_runs r WHERE r.source_id = s.source_id AND {ended("r")}
        ORDER BY r.started_at DESC LIMIT 1) last ON true
 CROSS JOIN LATERAL (
       SELECT count(DISTINCT r.job_name) AS failures
         FROM (SELECT r.source_uid, r.job_name, r.attempt, r.status, r.trigger FROM etl_runs r
                WHERE last.status <> '{RunStatus.SUCCESS}' AND r.source_id = s.source_id
                  AND r.started_at >= COALESCE(known.succeeded_at, '-infinity')
                ORDER BY r.started_at DESC LIMIT {MAX_ATTEMPTS_COUNTED}) r
        WHERE {failed("r")}) streak"""
"""Joined to `sources s`: `known` is from the totals, `running` and `last` are of `etl_runs`."""

_LAST_STATUS = "CASE WHEN last.run_id IS NULL THEN known.status ELSE last.status END"

FIGURES = f"""s.suspended, s.max_age_seconds, running.run_id IS NOT NULL AS running,
       CASE WHEN known.succeeded_at IS NOT NULL THEN
         greatest(extract(epoch FROM clock_timestamp() - known.succeeded_at), 0)
       END AS age_seconds,
       CASE WHEN {_LAST_STATUS} <> '{RunStatus.SUCCESS}' THEN greatest(streak.failures, 1)
            ELSE 0 END AS consecutive_failures"""
"""What `JOINS` says of a source in figures."""

COLUMNS = f"""{FIGURES},
       running.run_id::text AS running_run_id, running.started_at AS running_since,
       last.run_id::text AS last_run_id, last.trigger AS last_trigger,
       {_LAST_STATUS} AS last_status,
       CASE WHEN last.run_id IS NULL THEN known.reason ELSE last.reason END AS last_reason,
       last.message AS last_message, last.started_at AS last_started_at,
       CASE WHEN last.run_id IS NULL THEN known.ended_at ELSE last.finished_at END
         AS last_finished_at,
       last.next_attempt_at, known.succeeded_at AS last_success_at"""
"""All that `JOINS` says of a source; `source_state.RunHistory` is made of it."""

LAST_FAILURE = f"""(
       SELECT r.* FROM etl_runs r
        WHERE r.source_id = s.source_id AND {failed("r")} AND r.started_at <= known.broken_at
        ORDER BY r.started_at DESC LIMIT 1)"""
"""The last failure, to be joined laterally behind `JOINS`.

A source that never failed reads nothing, any other begins at its last failure or interruption: only
one that was interrupted and resumed since its last failure reads back to that.
"""
