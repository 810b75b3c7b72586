"""The one error of this package."""

from __future__ import annotations


class ClusterError(Exception):
    """Something is missing or in the way; the message says what a person can do about it."""
