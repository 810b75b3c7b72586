"""Bounded strings that several members share; each bound ends up in the CRD's schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from cryptosource_crd.urls import check_url


def _checked(value: object) -> object:
    # Before the pattern, which could only say that something is wrong with the URL.
    return check_url(value) if isinstance(value, str) else value


DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

SourceName = Annotated[str, Field(min_length=1, max_length=46, pattern=DNS_LABEL)]
"""A CronJob's name may have 52 characters and its Jobs add 11: 46 leaves room for a suffix."""

NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
"""The name of a Secret, a ConfigMap or a PersistentVolumeClaim in the source's own namespace."""

DataKey = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
]
"""A key of a Secret or a ConfigMap. It also becomes a file name, so it never starts with a dot."""

HttpUrl = Annotated[
    str,
    Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$"),
    BeforeValidator(_checked),
]
"""Which addresses may be reached is decided by the egress policy at run time, after resolution."""

ExternalId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An upstream's own id of a coin. The longest known has 72 characters."""

Timestamp = Annotated[AwareDatetime, Field(strict=False)]
"""RFC 3339, as the API server writes it."""
