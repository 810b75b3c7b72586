"""`/data`: coins across sources, one coin, its history, the summary.

Belongs here: the routes, their parameters, queries and response models. Never here: SQL text, which
is in `cryptosource_store.statements`.
"""
