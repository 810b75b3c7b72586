"""Vendors and files: how to read each of them, page by page, and what their fields mean.

Belongs here: one module or package per source type and the registry that finds them. Never here:
SQL, transactions, or how a run is claimed; a source never learns what became of its records.
"""
