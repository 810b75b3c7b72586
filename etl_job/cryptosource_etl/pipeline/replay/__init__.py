"""Stored raw records judged again by the present rules, without calling the upstream.

Belongs here: reading stored pages, judging them, and writing what changes. Never here: the network.
"""
