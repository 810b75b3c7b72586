"""A prepared page into Postgres: one transaction, entirely or not at all.

Belongs here: the order of its statements and locks. Never here: judging a record.
"""
