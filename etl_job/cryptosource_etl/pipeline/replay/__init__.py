"""Replay: judge stored raw records again by the current rules, without calling the upstream.

Belongs here: reading stored pages, judging them, writing the changes. Never here: the network.
"""
