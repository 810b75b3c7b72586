"""What every cluster holds from the start: DNS's rights, and volumes to claim."""

from __future__ import annotations

from typing import Any

DNS_USER = "system:coredns"
VOLUMES = 16
VOLUME_SIZE = "10Gi"
STORAGE_CLASS = "standard"
"""The name that kind gives its default class."""
VOLUMES_FOLDER = "/var/lib/volumes"


def dns_rights() -> list[dict[str, Any]]:
    """Return what CoreDNS's kubernetes plugin needs to read."""
    watched = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": watched},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watched},
    ]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": DNS_USER}}
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DNS_USER},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": DNS_USER},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": DNS_USER}],
    }
    return [role | {"rules": rules}, binding]


def storage() -> list[dict[str, Any]]:
    """Return a default storage class and volumes of it: a StatefulSet's claim binds to one."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return [storage_class, *(_volume(number) for number in range(VOLUMES))]


def _volume(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"local-{number:02}"},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": f"{VOLUMES_FOLDER}/{number:02}"},
        },
    }


def objects() -> dict[str, Any]:
    """Return all of it as one List, for `kubectl apply`."""
    return {"apiVersion": "v1", "kind": "List", "items": [*dns_rights(), *storage()]}
