"""Who a source is, with or without an API server to say so."""

from __future__ import annotations

import uuid

from cryptosource_crd.v1alpha1.resource import CryptoSource

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cryptosource.io/sources")


def source_uid(source: CryptoSource) -> str:
    """Return the id under which a source's runs and checkpoint are kept.

    Returns:
        `metadata.uid` where the API server gave one; else a UUID derived from namespace and name,
        the same on every start.
    """
    meta = source.metadata
    return meta.uid or str(uuid.uuid5(_NAMESPACE, f"{meta.namespace}/{meta.name}"))
