"""ConfigMaps and Secrets in manifest files, read for runs without a cluster."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptosource_crd.documents import Document
from cryptosource_crd.explanations import Problem

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, kw_only=True)
class ConfigurationObject:
    """A ConfigMap or a Secret. Its repr does not show its contents."""

    kind: str
    namespace: str
    name: str
    where: str
    """`file:line`, for messages."""
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


class _UnusableError(Exception):
    def __init__(self, path: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


def read_configuration_object(document: Document, *, file: str) -> ConfigurationObject | Problem:
    """Return the ConfigMap or Secret of a document, or its problem.

    Args:
        document: a document of kind ConfigMap or Secret.
        file: the name of its file.
    """
    try:
        namespace, name = _namespace_and_name(document.value)
        contents = _contents(document.value)
    except _UnusableError as error:
        line = document.line_of(tuple(error.path.split(".")))
        return Problem(file, document.index, error.path, error.message, error.hint, line)
    return ConfigurationObject(
        kind=document.value["kind"],
        namespace=namespace,
        name=name,
        where=f"{file}:{document.line_of(())}",
        contents=contents,
    )


def _namespace_and_name(value: Mapping[str, Any]) -> tuple[str, str]:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        raise _UnusableError("metadata.name", "is missing", "give the object a name")
    namespace = metadata.get("namespace") or DEFAULT_NAMESPACE
    if not isinstance(namespace, str):
        raise _UnusableError("metadata.namespace", "must be a string", "put it in quotes")
    return namespace, name


def _contents(value: Mapping[str, Any]) -> dict[str, bytes]:
    if value["kind"] == "ConfigMap":
        return _plain_contents(value, "data") | _base64_contents(value, "binaryData")
    # As in the API server, stringData takes precedence over data.
    return _base64_contents(value, "data") | _plain_contents(value, "stringData")


def _plain_contents(value: Mapping[str, Any], member: str) -> dict[str, bytes]:
    return {key: text.encode() for key, text in _texts(value, member).items()}


def _base64_contents(value: Mapping[str, Any], member: str) -> dict[str, bytes]:
    contents = {}
    for key, text in _texts(value, member).items():
        try:
            # A YAML block folds base64 into lines, which `validate` would refuse.
            contents[key] = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            hint = "use stringData for plain text" if member == "data" else ""
            raise _UnusableError(f"{member}.{key}", "is not base64", hint) from None
    return contents


def _texts(value: Mapping[str, Any], member: str) -> dict[str, str]:
    entries = value.get(member) or {}
    if not isinstance(entries, dict):
        raise _UnusableError(member, "must be an object of strings")
    for key, text in entries.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise _UnusableError(f"{member}.{key}", "must be a string", "put it in quotes")
    return entries
