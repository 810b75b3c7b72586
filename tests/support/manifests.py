"""CryptoSource manifests, written where a command can read them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
FAST = {"requestsPerMinute": 60_000, "burst": 1000}
"""A rate limit that no test waits for."""
ONE_ATTEMPT = {"maxAttempts": 1}
ROW = "{symbol},{symbol},{price},2026-01-15T12:00:00Z"


def resource(name: str, source_type: str, **spec: Any) -> Resource:
    """Return a CryptoSource of namespace `crypto`; `spec` spelled as in YAML."""
    return {
        "apiVersion": "cryptosource.io/v1alpha1",
        "kind": "CryptoSource",
        "metadata": {"name": name, "namespace": "crypto"},
        "spec": {"type": source_type, "schedule": "@yearly", **spec},
    }


def paprika(base_url: str, *, name: str = "paprika", plan: str = "Free", **spec: Any) -> Resource:
    """Return a source that reads a CoinPaprika at that address; paid plans take a key."""
    member = {"plan": plan, "baseUrl": base_url}
    key = {} if plan == "Free" else {"apiKeySecretRef": {"name": name}}
    return resource(name, "CoinPaprika", coinPaprika=member, **{"rateLimit": FAST, **key, **spec})


def gecko(base_url: str, *, name: str = "gecko", plan: str = "Keyless", **spec: Any) -> Resource:
    """Return a source that reads every coin of a CoinGecko at that address."""
    member = {"plan": plan, "baseUrl": base_url, "selection": {"all": True}}
    key = {} if plan == "Keyless" else {"apiKeySecretRef": {"name": name}}
    return resource(name, "CoinGecko", coinGecko=member, **{"rateLimit": FAST, **key, **spec})


def csv(path: Path, *, name: str = "file", **spec: Any) -> Resource:
    """Return a source that reads a file as `write_rows` writes it."""
    columns = {"symbol": "symbol", "name": "name", "priceUsd": "price", "observedAt": "at"}
    return resource(name, "CSV", csv={"path": str(path), "columns": columns}, **spec)


def secret(name: str, key: str) -> Resource:
    """Return a Secret that holds an API key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "crypto"},
        "stringData": {"api-key": key},
    }


def write(folder: Path, *resources: Resource, name: str = "sources") -> Path:
    """Write a manifest; JSON is YAML."""
    path = folder / f"{name}.yaml"
    path.write_text("\n---\n".join(map(json.dumps, resources)), encoding="utf-8")
    return path


def row(number: int, *, price: str | None = None) -> str:
    """Return the line of one coin, C1, C2, …; coin n costs n and a half dollars."""
    return ROW.format(symbol=f"C{number}", price=price or f"{number}.5")


def write_rows(path: Path, rows: Iterable[str]) -> Path:
    """Write a CSV file with a header."""
    path.write_text("\n".join(["symbol,name,price,at", *rows]) + "\n", encoding="utf-8")
    return path


def closed_url(path: str) -> str:
    """Return an address on this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}{path}"
