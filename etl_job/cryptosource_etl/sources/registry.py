"""Find the plugin of a source type among the installed entry points."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from pydantic import ValidationError

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin, SourceReader
from cryptosource_store.reasons import Reason

GROUP = "cryptosource.sources"


def installed_types() -> dict[str, EntryPoint]:
    """Return the entry point of every installed source type, by `spec.type`."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def plugin_for(source_type: str) -> SourcePlugin:
    """Return the plugin of a source type.

    Raises:
        Permanent: InvalidSpec; no installed package serves it, or its plugin is broken.
    """
    installed = installed_types()
    entry = installed.get(source_type)
    if entry is None:
        near = difflib.get_close_matches(source_type, installed, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(installed))}"
        raise Permanent(
            Reason.INVALID_SPEC, f"no installed plugin serves spec.type {source_type!r}; {hint}"
        )
    try:
        plugin = entry.load()
    except ImportError as error:
        raise Permanent(
            Reason.INVALID_SPEC, f"the plugin of {source_type} cannot be imported: {error}"
        ) from error
    if not isinstance(plugin, SourcePlugin):
        raise Permanent(
            Reason.INVALID_SPEC,
            f"the entry point of {source_type} is no SourcePlugin; reinstall it",
        )
    return plugin


def _check_options(plugin: SourcePlugin, source: CryptoSource) -> None:
    if plugin.options is None:
        return
    try:
        plugin.options.model_validate(source.spec.options or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in ("spec", "options", *first["loc"]))
        raise Permanent(Reason.INVALID_SPEC, f"{path}: {first['msg']}") from None


def open_source(context: SourceContext) -> SourceReader:
    """Open the source that the context describes.

    Raises:
        Permanent: the spec, a key or a file is not as it must be.
        Retryable: something it needs is not there at the moment.
    """
    plugin = plugin_for(context.source.spec.type)
    _check_options(plugin, context.source)
    return plugin.open(context)
