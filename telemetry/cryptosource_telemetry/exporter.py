"""Whether the environment asks for the export of spans, found out without importing an exporter."""

from __future__ import annotations

from collections.abc import Mapping

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def export_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names an endpoint for spans and does not disable tracing."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not disabled and not none and any(environ.get(name) for name in _ENDPOINTS)
