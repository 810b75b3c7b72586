"""The run: claim a source, pull pages, load each in one transaction, move the checkpoint.

Belongs here: everything that touches the store. Never here: what a vendor's field means, or how
its bytes are fetched.
"""
