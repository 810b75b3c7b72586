"""Manifests on this machine: load them, judge them, and find what they refer to."""

from __future__ import annotations

from cryptosource_cli.manifest_files import LoadedSource, Manifests, load_manifests
from cryptosource_cli.references import Resolved, resolve
from cryptosource_cli.validation import Report, SourceReport, validate_files

__all__ = [
    "LoadedSource",
    "Manifests",
    "Report",
    "Resolved",
    "SourceReport",
    "load_manifests",
    "resolve",
    "validate_files",
]
