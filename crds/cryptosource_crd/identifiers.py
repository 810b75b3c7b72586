"""The identity of a source, with or without a uid from the API server."""

from __future__ import annotations

import uuid

from cryptosource_crd.v1alpha1.resource import CryptoSource

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cryptosource.io/sources")


def source_uid(source: CryptoSource) -> str:
    """Return the id under which a source's runs and checkpoint are stored.

    Returns:
        `metadata.uid` if the API server set one; else a UUID derived from namespace and name.
    """
    # Derived and not random: a run without a cluster has to find its source's checkpoint again.
    meta = source.metadata
    return meta.uid or str(uuid.uuid5(_NAMESPACE, f"{meta.namespace}/{meta.name}"))
