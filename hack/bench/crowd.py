"""The thousand CryptoSources of the operator's benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptosource_crd.v1alpha1 import API_VERSION, KIND
from cryptosource_operator.names import GROUP, PLURAL, VERSION

NAMESPACES = 10
"""The sources are spread over so many, as those of several teams would be."""
NEVER = "0 0 1 1 *"
"""Due at New Year: at rest is at rest. What a tick costs is told by the ends of runs."""
SOURCES = f"/apis/{GROUP}/{VERSION}/{PLURAL}"

_MEMBERS: tuple[dict[str, Any], ...] = (
    {"type": "CoinPaprika", "coinPaprika": {"plan": "Free"}},
    {"type": "CoinGecko", "coinGecko": {"plan": "Keyless", "selection": {"top": 250}}},
    {"type": "CSV", "csv": {"configMap": {"name": "coins", "key": "coins.csv"}}},
)


def namespaces() -> list[str]:
    """Return the names of the namespaces."""
    return [f"bench-{number}" for number in range(NAMESPACES)]


def manifests(count: int) -> Iterator[dict[str, Any]]:
    """Yield so many sources: each vendor and CSV in turn.

    None runs on create: a first run is a Job and a pod, which the controllers make at their own
    pace of 20 requests a second, and no node is here to run it.
    """
    for number in range(count):
        yield {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": f"source-{number:05}",
                "namespace": f"bench-{number % NAMESPACES}",
            },
            "spec": {
                "schedule": NEVER,
                "runOnCreate": False,
                "freshness": {"maxAgeSeconds": 31_622_400},
                **_MEMBERS[number % len(_MEMBERS)],
            },
        }


def path_of(metadata: dict[str, Any], part: str = "") -> str:
    """Return where a source lives, or a part of it such as `/status`."""
    space, name = metadata["namespace"], metadata["name"]
    return f"/apis/{GROUP}/{VERSION}/namespaces/{space}/{PLURAL}/{name}{part}"


def collection(metadata: dict[str, Any]) -> str:
    """Return where a source is created."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{metadata['namespace']}/{PLURAL}"
