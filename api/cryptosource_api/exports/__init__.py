"""Whole lists as CSV, NDJSON or Parquet, streamed from a server-side cursor.

Belongs here: choosing the form, encoding rows, holding the cursor, sending. Never here: which rows
(queries) and which parameters (routes). Rows are held a thousand at a time, for Parquet ten thousand; each export is
bounded in rows, time and how many run at once.
"""
