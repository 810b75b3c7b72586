"""The Postgres contract: tables, named statements, engine, embedded server and migrations.

Belongs here: whatever two parts must agree on to read or write the same rows, and the words
they share for it (`reasons`); how a setting is read from the environment. Never here: vendors, HTTP, Kubernetes, or a decision of the ETL,
the operator or the API about what a row means to them.
"""
