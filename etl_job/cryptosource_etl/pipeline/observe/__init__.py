"""Facts about an upstream as a whole: the shape of its records, and the ids it lists.

Belongs here: shape drift and the inventory. Never here: judging or loading a record.
"""
