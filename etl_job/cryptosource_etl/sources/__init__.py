"""The source types, vendors and files: fetching their records page by page, and normalizing them.

Belongs here: one module or package per source type, what several of them share, and the registry.
Never here: SQL, transactions or the claim of a run; a source does not learn how its records were
loaded.
"""
