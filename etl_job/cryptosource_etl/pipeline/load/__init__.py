"""Load prepared pages into Postgres: one transaction for each page, entirely or not at all.

Belongs here: the order of its statements and locks. Never here: judging a record.
"""
