"""Whole lists as CSV, NDJSON or Parquet, streamed from a server-side cursor.

Belongs here: the choice of the format, encoding rows, the database session, sending. Never here: the
selection of rows and its parameters, which are beside the routes. Memory holds a thousand rows at a
time, for Parquet ten thousand; exports are bounded in rows, time and number.
"""
