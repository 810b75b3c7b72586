"""Find the plugin of a source type, among the built-in ones or the installed entry points."""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from pydantic import ValidationError

from cryptosource_crd.v1alpha1 import BUILT_IN_TYPES, CryptoSource
from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin, SourceReader
from cryptosource_store.reasons import Reason

GROUP = "cryptosource.sources"


def installed_types() -> dict[str, EntryPoint]:
    """Return the entry point of every third-party plugin, by `spec.type`."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def plugin_for(source_type: str) -> SourcePlugin:
    """Return the plugin of a source type.

    Raises:
        Permanent: InvalidSpec; no installed package serves it, or its plugin is broken.
    """
    # Built-in types first, whatever is installed: an entry point of the same name would get the key
    # of a vendor.
    if source_type in BUILT_IN_TYPES:
        built_in: SourcePlugin = import_module(f"{__package__}.{source_type.lower()}").PLUGIN
        return built_in
    return _load_entry_point(source_type)


def _load_entry_point(source_type: str) -> SourcePlugin:
    installed = installed_types()
    entry = installed.get(source_type)
    if entry is None:
        known = sorted({*installed, *BUILT_IN_TYPES})
        near = difflib.get_close_matches(source_type, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise Permanent(
            Reason.INVALID_SPEC, f"no installed plugin serves spec.type {source_type!r}; {hint}"
        )
    try:
        plugin: object = entry.load()
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
        # Without the input: options may hold a secret, and the message goes into run rows.
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in ("spec", "options", *first["loc"]))
        raise Permanent(Reason.INVALID_SPEC, f"{path}: {first['msg']}") from None


def open_source(context: SourceContext) -> SourceReader:
    """Open the source that the context describes.

    Raises:
        Permanent: the spec, the key or the file is invalid.
        Retryable: something that it needs is not available at the moment.
    """
    plugin = plugin_for(context.source.spec.type)
    _check_options(plugin, context.source)
    return plugin.open(context)
