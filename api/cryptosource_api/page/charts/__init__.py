"""Geometry of what is drawn as inline SVG: from values to numbers of pixels.

Belongs here: pure functions. Never here: markup (templates draw), colours (the style sheet's).
"""

from __future__ import annotations

from decimal import Decimal


def pixels(value: Decimal | float) -> str:
    """Return a coordinate with a tenth of a pixel, as short as it can be written."""
    return f"{value:.1f}".removesuffix(".0")
