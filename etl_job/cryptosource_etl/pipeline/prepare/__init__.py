"""Prepare a page before its transaction: look it up, judge it, encode it as COPY text.

Belongs here: everything that needs no lock. Never here: a statement that writes.
"""
