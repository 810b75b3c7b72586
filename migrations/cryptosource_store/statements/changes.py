"""Changes for the live streams: versions of the data with their records, and current runs.

A version is identified by its number and the time at which it was made: a database that was
restored from a backup assigns the same numbers again.
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements.coins import RECORD_FIELDS, SOURCE_NAMES
from cryptosource_store.statements.runs import RUN_FIELDS

_MICROS = "(extract(epoch FROM changed_at) * 1000000)::bigint"

# One row by primary key.
HEAD = text(f"SELECT version, {_MICROS} AS micros FROM dataset_versions WHERE dataset = 'unified'")

# Primary key of data_changes.
VERSION_MADE_AT = text(f"SELECT {_MICROS} FROM data_changes WHERE version = :version")

# A range of the primary key.
CHANGES_BETWEEN = text(f"""
SELECT version, {_MICROS} AS micros, asset_ids FROM data_changes
 WHERE version > :after AND version <= :until ORDER BY version
""")

_RECORD_JOINS = f"""JOIN assets a ON a.asset_id = c.asset_id
  LEFT JOIN tickers t ON t.ticker = c.symbol
  LEFT JOIN sources s ON s.source_id = u.source_id
  {SOURCE_NAMES}
 CROSS JOIN LATERAL (SELECT {RECORD_FIELDS}) record
 WHERE c.asset_id = ANY(CAST(:asset_ids AS bigint[]))
 ORDER BY c.asset_id, u.source_id"""

_RECORD_COLUMNS = """c.asset_id, u.symbol, s.name AS source, s.source_type, s.namespace,
       ARRAY(SELECT ticker FROM tickers o WHERE o.asset_id = c.asset_id) AS tickers,
       row_to_json(record)::text AS record"""

# Primary keys for each coin; tickers_asset_idx.
CHANGED_RECORDS = text(
    f"SELECT {_RECORD_COLUMNS} FROM unified c CROSS JOIN LATERAL (SELECT c.*) u {_RECORD_JOINS}"
)

# quotes_latest_asset_idx for each coin.
CHANGED_OWN_RECORDS = text(
    f"SELECT {_RECORD_COLUMNS} FROM unified c JOIN quotes_latest u ON u.asset_id = c.asset_id "
    f"{_RECORD_JOINS}"
)

# etl_runs_started_idx.
NEWEST_START = text("SELECT COALESCE(max(started_at), clock_timestamp()) FROM etl_runs")

_RUN_STATE = """SELECT run_id::text AS run, xmin::text AS written, status = 'running' AS under_way,
         started_at FROM etl_runs"""

# Running runs and runs started since: etl_runs_running_key and etl_runs_started_idx, one after the
# other, because no index serves both. xmin, the row's last transaction, tells whether it changed.
CURRENT_RUNS = text(f"""
SELECT * FROM (
  {_RUN_STATE} WHERE status = 'running'
  UNION {_RUN_STATE} WHERE started_at > :since
) lately ORDER BY started_at, run LIMIT :most
""")

# Primary keys.
RUN_RECORDS = text(f"""
SELECT s.name AS source, s.namespace, s.source_type, row_to_json(record)::text AS record
  FROM etl_runs r JOIN sources s USING (source_id) CROSS JOIN LATERAL (SELECT {RUN_FIELDS}) record
 WHERE r.run_id = ANY(CAST(:runs AS uuid[])) ORDER BY r.started_at, r.run_id
""")
