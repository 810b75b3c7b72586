"""`/metrics`: the requests of this process, and the sources and runs in Postgres.

Belongs here: counting requests, and turning rows into metric families. Never here: thresholds, which
are in alert rules. Every label has a bounded set of values: routes by their template, sources up to
a limit, reasons as the store defines them.
"""
