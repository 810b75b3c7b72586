"""Which coin an external id means: pinned by the user, matched by evidence, else newly minted.

Belongs here: matching, proposing, resolving, pins, slugs. Never here: loading observations.
"""
