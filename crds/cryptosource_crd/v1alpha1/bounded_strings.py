"""String types with bounds that several members share; the CRD's schema has each bound."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from cryptosource_crd.urls import check_url


def _check_url(value: object) -> object:
    # Runs before the pattern, whose error could not say what is wrong with the URL.
    return check_url(value) if isinstance(value, str) else value


DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

# A CronJob's name may have 52 characters, because its Jobs add 11; 46 leaves room for a suffix.
SourceName = Annotated[str, Field(min_length=1, max_length=46, pattern=DNS_LABEL)]

NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
"""The name of a Secret, a ConfigMap or a PersistentVolumeClaim in the source's own namespace."""

# It also becomes a file name, so it never starts with a dot.
DataKey = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")
]
"""A key of a Secret or a ConfigMap."""

# Which addresses may be reached is decided at run time, after resolution, by the egress policy.
HttpUrl = Annotated[
    str,
    Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$"),
    BeforeValidator(_check_url),
]

# The longest known has 72 characters.
ExternalId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An upstream's own id of a coin."""

Timestamp = Annotated[AwareDatetime, Field(strict=False)]
"""An RFC 3339 time, as the API server writes it."""
