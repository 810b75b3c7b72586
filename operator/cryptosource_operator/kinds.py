"""The kinds that the operator watches, and their paths on the API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptosource_operator.names import GROUP, PLURAL, UID_LABEL, VERSION

SOURCE, CRONJOB, JOB = "CryptoSource", "CronJob", "Job"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind's place in the API, and which of its objects are watched."""

    group: str
    version: str
    plural: str
    label_selector: str = ""
    """Applied by the API server; empty: all objects."""


RESOURCES: Mapping[str, Resource] = {
    SOURCE: Resource(group=GROUP, version=VERSION, plural=PLURAL),
    CRONJOB: Resource(group="batch", version="v1", plural="cronjobs", label_selector=UID_LABEL),
    JOB: Resource(group="batch", version="v1", plural="jobs", label_selector=UID_LABEL),
}
KINDS = tuple(RESOURCES)


def paths(kind: str, namespaces: tuple[str, ...]) -> list[str]:
    """Return the list paths of a kind, one per namespace; without namespaces the cluster's."""
    resource = RESOURCES[kind]
    scopes = [f"/namespaces/{name}" for name in namespaces] or [""]
    prefix = f"/apis/{resource.group}/{resource.version}"
    return [f"{prefix}{scope}/{resource.plural}" for scope in scopes]
