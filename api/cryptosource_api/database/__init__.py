"""Reading Postgres from an event loop, within bounds.

Belongs here: the connection pools, their deadlines, and the version of the data. Never here: queries,
which are beside the routes of each feature. See docs/adr/0010.
"""
