"""The kinds of objects that the operator watches, and where the API server serves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptosource_operator.names import GROUP, PLURAL, UID_LABEL, VERSION

SOURCE, CRONJOB, JOB = "CryptoSource", "CronJob", "Job"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Where a kind is served, and which of its objects are ours."""

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
    """Return the paths under which the objects of a kind are listed; no namespaces: all of them."""
    resource = RESOURCES[kind]
    scopes = [f"/namespaces/{name}" for name in namespaces] or [""]
    prefix = f"/apis/{resource.group}/{resource.version}"
    return [f"{prefix}{scope}/{resource.plural}" for scope in scopes]
