"""What is in a cluster, by name, to compare before and after a test."""

from __future__ import annotations

from typing import Any

from cryptosource_operator import names
from support.kube import BATCH, SOURCES, Kube

CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{names.PLURAL}.{names.GROUP}"
Seen = frozenset[tuple[str, str]]
WHOLE_CLUSTER = (
    "/api/v1/namespaces",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
)
IN_NAMESPACE = (
    "/api/v1/configmaps",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/secrets",
    "/api/v1/serviceaccounts",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    f"{BATCH}/cronjobs",
    f"{BATCH}/jobs",
    f"{SOURCES}/cryptosources",
    "/api/v1/pods",
)
"""Kinds of which a release or a test makes objects; events pass, and Helm's own records count up."""


def look(kube: Kube, namespace: str) -> Seen:
    """Return kind and name of what is in a namespace, and in the cluster beside namespaces."""
    found = set()
    for path in WHOLE_CLUSTER:
        found |= {(path.rpartition("/")[2], named(one)) for one in kube.items(path)}
    for path in IN_NAMESPACE:
        base, _, plural = path.rpartition("/")
        listed = kube.get(f"{base}/namespaces/{namespace}/{plural}") or {"items": []}
        found |= {(plural, named(one)) for one in listed["items"] if not passing(one)}
    return frozenset(found)


def named(thing: dict[str, Any]) -> str:
    """Return an object's name; a pod that is replaced by its owner has its part's name."""
    metadata = thing["metadata"]
    component = metadata.get("labels", {}).get("app.kubernetes.io/component", "")
    if "generateName" in metadata and component:
        return f"of {component}"
    name: str = metadata["name"]
    return name


def passing(thing: dict[str, Any]) -> bool:
    """Return whether something comes and goes by itself: a release's revisions."""
    return thing.get("type") == "helm.sh/release.v1"


def crd(kube: Kube) -> dict[str, Any] | None:
    """Return the CRD of CryptoSources; None: there is none."""
    return kube.get(CRD)
