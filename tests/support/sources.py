"""CryptoSources for tests: valid by default, each field at will."""

from __future__ import annotations

from typing import Any

from cryptosource_crd.v1alpha1 import BUILT_IN_TYPES, CryptoSource


def make_manifest(
    *, name: str = "a-source", namespace: str | None = None, uid: str | None = None, **over: Any
) -> dict[str, Any]:
    """Return a manifest as a dict.

    Args:
        name: metadata.name.
        namespace: metadata.namespace; left out by default.
        uid: metadata.uid, as if an API server had given one; left out by default.
        over: fields of the spec by the names a manifest uses. The type follows from the member
            given (`coinGecko={…}`), and is CoinPaprika without one.
    """
    metadata = {"name": name, "namespace": namespace, "uid": uid}
    kind = next((kind for kind, member in BUILT_IN_TYPES.items() if member in over), "CoinPaprika")
    return {
        "apiVersion": "cryptosource.io/v1alpha1",
        "kind": "CryptoSource",
        "metadata": {key: value for key, value in metadata.items() if value is not None},
        "spec": {"type": kind, "schedule": "*/5 * * * *"} | over,
    }


def make_source(**over: Any) -> CryptoSource:
    """Return a valid source; arguments as for `make_manifest`."""
    return CryptoSource.model_validate(make_manifest(**over))
