"""`/health`: the database, every source, this process.

Belongs here: the probes and the detailed report. Never here: a judgement on a source that the
operator or the command would make differently; the store holds that rule.
"""
