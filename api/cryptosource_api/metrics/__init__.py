"""What `/metrics` shows: this process's requests, and what Postgres knows of sources and runs.

Belongs here: counting, and turning rows into metric families. Never here: judging them; that is
for alert rules. Every label comes from a bounded set: routes by their template, sources up to a
limit, reasons by the store's own words.
"""
