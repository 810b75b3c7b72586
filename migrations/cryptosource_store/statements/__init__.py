"""Named SQL, a module per subject, each statement with a line on its locks and indexes.

Belongs here: statements that more than one caller needs or whose locking must be read in one
place. Never here: opening transactions or deciding when to run them.
"""
