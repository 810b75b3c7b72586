"""The part of `metadata` that this project reads."""

from __future__ import annotations

from pydantic import Field

from cryptosource_crd.v1alpha1.bounded_strings import NamespaceName, SourceName, Timestamp
from cryptosource_crd.v1alpha1.closed_model import TolerantModel


class ObjectMeta(TolerantModel):
    """Who the resource is. The API server owns the rest of metadata, which is passed over."""

    name: SourceName
    """Name of the source, in answers and in its children's names. At most 46 characters, so that
    the names of its CronJob (at most 52) and of its Jobs fit."""
    namespace: NamespaceName = "default"
    """Namespace of the source and of everything it refers to. Default: `default`."""
    uid: str | None = Field(default=None, max_length=128)
    """Given by the API server; without one, an id is derived from namespace and name."""
    generation: int | None = Field(default=None, ge=0)
    """Counts changes of the spec; given by the API server."""
    resource_version: str | None = Field(default=None, max_length=128)
    """Opaque version of the whole object; given by the API server."""
    creation_timestamp: Timestamp | None = None
    """When the API server accepted the resource."""
    deletion_timestamp: Timestamp | None = None
    """Set while the resource is being deleted."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels, free for users."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations. `cryptosource.io/run-requested-at: <token>` asks for one run now."""
