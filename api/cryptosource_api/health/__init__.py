"""`/health`: the state of the database, of every source, and of this process.

Belongs here: the probes and the reports. Never here: a rule by which a source is healthy; that is in
the store, so that the operator and the command give the same answer.
"""
