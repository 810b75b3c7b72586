"""A page before its transaction: looked up, judged, and written as text for COPY.

Belongs here: everything that needs no lock. Never here: a statement that writes.
"""
