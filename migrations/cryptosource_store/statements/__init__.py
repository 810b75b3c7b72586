"""Named SQL statements, a module per subject, with comments on their locks and indexes.

Belongs here: statements that several callers need, or whose locks must be reviewed in one place.
Never here: opening transactions or deciding when to execute a statement.
"""
