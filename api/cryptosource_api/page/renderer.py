"""Rendering of templates into responses, with a content policy that allows our own files alone."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from cryptosource_api.page import value_formats
from cryptosource_api.page.static_files import url_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}


def _time_element(moment: datetime | None, now: datetime) -> Markup:
    """Return a moment as a relative time, with the absolute one as its title."""
    if moment is None:
        return Markup("never")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value_formats.machine(moment),
        value_formats.absolute(moment),
        value_formats.relative(moment, now),
    )


def _link(path: str, **parameters: Any) -> str:
    """Return a link to a page; parameters that are None or empty are left out."""
    given = {name: value for name, value in parameters.items() if value not in {None, ""}}
    return f"{path}?{urlencode(given)}" if given else path


def _coin_path(coin: Any) -> str:
    """Return the path of a coin's page: by its id if that is alphanumeric, else by its slug."""
    plain = coin["id"].isascii() and coin["id"].isalnum()
    return f"/coins/{quote(coin['id'] if plain else '~' + coin['slug'], safe='~')}"


def _source_path(facts: Any) -> str:
    """Return the path of a source's page."""
    return f"/sources/{quote(facts['namespace'], safe='')}/{quote(facts['name'], safe='')}"


def _environment() -> Environment:
    """Return the template environment: an undefined name is an error, everything is escaped."""
    environment = Environment(
        loader=PackageLoader("cryptosource_api.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates are part of the image and do not change while it runs.
        auto_reload=False,
    )
    environment.filters |= {
        "price": value_formats.price,
        "short": value_formats.short,
        "exact": value_formats.exact,
        "plain": value_formats.plain,
        "percent": value_formats.percent,
        "duration": value_formats.duration,
        "absolute": value_formats.absolute,
        "relative": value_formats.relative,
        "plural": value_formats.plural,
        "coin_path": _coin_path,
        "source_path": _source_path,
    }
    environment.globals |= {
        "time": _time_element,
        "clock_time": value_formats.clock_time,
        "link": _link,
        "asset": url_of,
        "stream": "/data/stream",
        "version": version("cryptosource"),
    }
    return environment


TEMPLATES = _environment()
"""Created on import, so that an image without its templates does not start."""


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a rendered page.

    Args:
        template: name of its file.
        status: of the response.
        values: the template's variables.
    """
    html = TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(html, status_code=status, headers=HEADERS)
