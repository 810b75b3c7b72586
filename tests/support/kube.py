"""A small client of an API server for tests: what was sent and what came back, nothing hidden."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

SOURCES = "/apis/cryptosource.io/v1alpha1"
BATCH = "/apis/batch/v1"
MERGE = "application/merge-patch+json"


class Refused(Exception):
    """The API server did not do it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Kube:
    """Talks to one API server as one user."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text("utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        with tempfile.NamedTemporaryFile() as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]))
            pair.flush()
            context.load_cert_chain(pair.name)
        self.http = httpx.Client(base_url=cluster["server"], verify=context, timeout=30)

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Send a request and return the answer's object."""
        headers = {"Content-Type": content_type}
        content = None if body is None else json.dumps(body)
        answer = self.http.request(method, path, content=content, headers=headers)
        if answer.status_code >= 400:
            told = answer.json() if "json" in answer.headers["Content-Type"] else {}
            raise Refused(answer.status_code, told.get("message", answer.text))
        document: dict[str, Any] = answer.json()
        return document

    def get(self, path: str) -> dict[str, Any] | None:
        """Return an object; None when it is not there, or not yet."""
        try:
            return self.request("GET", path)
        except Refused as refused:
            if refused.code in {404, 429}:  # 429: the storage of a new kind is being made
                return None
            raise

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list."""
        items: list[dict[str, Any]] = self.request("GET", path)["items"]
        return items

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a merge patch, as `kubectl edit` and `kubectl patch` do."""
        return self.request("PATCH", path, patch, content_type=MERGE)


@contextmanager
def namespace(kube: Kube, name: str) -> Iterator[str]:
    """Yield a namespace of the test's own."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": f"{name}-"}}
    made = kube.request("POST", "/api/v1/namespaces", body)["metadata"]["name"]
    try:
        yield made
    finally:
        kube.request("DELETE", f"/api/v1/namespaces/{made}")
