"""Which coin a source's id means: by pin, by evidence, else a coin of its own.

Belongs here: resolving, matching, pins, slugs. Never here: loading observations.
"""
