"""What a run notices about its upstream: the shape of its records, and which ids it lists.

Belongs here: drift and the inventory. Never here: what is done with a record.
"""
