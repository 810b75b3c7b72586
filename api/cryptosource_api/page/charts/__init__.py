"""Geometry of the charts, which are inline SVG: from values to coordinates in pixels.

Belongs here: pure functions. Never here: markup (in the templates), colours (in the style sheet).
"""

from __future__ import annotations

from decimal import Decimal


def pixels(value: Decimal | float) -> str:
    """Return a coordinate to a tenth of a pixel, without a trailing zero."""
    return f"{value:.1f}".removesuffix(".0")
