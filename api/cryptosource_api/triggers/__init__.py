"""`/trigger-etl`: requests for runs, and what became of them.

Belongs here: placing a request and showing it. Never here: making the run, which is the operator's
or `cryptosource up`'s.
"""
