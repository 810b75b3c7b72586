"""The Postgres contract: tables, named statements, sessions, embedded server and migrations.

Belongs here: all that two parts must agree on to read or write the same rows, the enumerations they
share (`reasons`), and how a setting is read from the environment (`environment`). Never here:
vendors, HTTP, Kubernetes, or a decision of the ETL, the operator or the API about what to do with a
row.
"""
