"""`/stats`: the history of runs, their performance, drifts, comparisons and anomalies.

Belongs here: the routes, their parameters, queries and response models. Never here: a rule about
which runs count, which is the store's.
"""
