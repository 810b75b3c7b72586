"""Members of the spec that control runs, whatever their source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cryptosource_crd.v1alpha1.closed_model import ClosedModel

Quantity = Annotated[
    str,
    Field(
        min_length=1,
        max_length=32,
        pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
    ),
]
"""A Kubernetes quantity: `500m`, `0.5`, `256Mi`."""


class JobHistory(ClosedModel):
    """How many finished Jobs Kubernetes keeps; the history of runs itself is in Postgres."""

    successful: int = Field(default=3, ge=0, le=50)
    """Succeeded Jobs kept, 0 to 50. Default 3: enough to read the last logs."""
    failed: int = Field(default=5, ge=0, le=50)
    """Failed Jobs kept, 0 to 50. Default 5: failures are what one looks at."""


class RateLimit(ClosedModel):
    """The token bucket of one key (or address): requests are spread so that it never empties."""

    requests_per_minute: int = Field(ge=1, le=60_000)
    """Requests per minute, 1 to 60000. Default: the plan's."""
    burst: int = Field(default=1, ge=1, le=1_000)
    """Requests that may follow each other at once, 1 to 1000. Default 1: evenly spread."""


class Retry(ClosedModel):
    """How often a request is tried again, with full jitter, honouring Retry-After."""

    max_attempts: int = Field(default=5, ge=1, le=20)
    """Attempts per request including the first, 1 to 20. Default 5: rides out a short outage."""
    max_delay_seconds: int = Field(default=60, ge=1, le=600)
    """Longest wait before an attempt, in seconds, 1 to 600. Default 60. When the upstream asks for
    more, the run ends and the next one comes later, instead of a pod that sleeps."""


class Freshness(ClosedModel):
    """When data counts as stale."""

    max_age_seconds: int = Field(default=900, ge=1, le=31_622_400)
    """Age in seconds of the last success above which the source is stale, 1 to 31622400 (366
    days). Default 900: three runs of a five-minute schedule."""


class ResourceAmounts(ClosedModel):
    """An amount of each resource."""

    cpu: Quantity | None = None
    """Processor cores, such as `500m`. Default: the operator's."""
    memory: Quantity | None = None
    """Bytes of memory, such as `256Mi`. Default: the operator's."""
    ephemeral_storage: Annotated[Quantity | None, Field(alias="ephemeral-storage")] = None
    """Bytes of scratch disk. Default: the operator's. Spelled `ephemeral-storage`."""


class Resources(ClosedModel):
    """What a run's container asks for and may use, as in a pod."""

    requests: ResourceAmounts = Field(default_factory=ResourceAmounts)
    """What the scheduler sets aside. Default: the operator's."""
    limits: ResourceAmounts = Field(default_factory=ResourceAmounts)
    """What the container may never exceed. Default: the operator's."""
