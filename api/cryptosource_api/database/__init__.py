"""Reading Postgres from an event loop, within bounds.

Belongs here: the connection pools, their deadlines, and the version of the data. Never here: what is
read, which each feature says beside its routes. See docs/adr/0010.
"""
