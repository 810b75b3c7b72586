"""Whether spans leave this process: asked without importing what would send them."""

from __future__ import annotations

from collections.abc import Mapping

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def export_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names somewhere to send spans to."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not disabled and not none and any(environ.get(name) for name in _ENDPOINTS)
