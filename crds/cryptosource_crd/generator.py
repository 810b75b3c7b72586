"""The CustomResourceDefinition, built from the models and the rules. Pure."""

from __future__ import annotations

from typing import Any

from cryptosource_crd.generator_rules import RULES, Path
from cryptosource_crd.generator_schema import Schema, structural
from cryptosource_crd.v1alpha1 import KIND, VENDORS, CryptoSourceSpec, CryptoSourceStatus

GROUP, VERSION, PLURAL = "cryptosource.io", "v1alpha1", "cryptosources"
SETS: tuple[Path, ...] = tuple(("spec", vendor.member, "selection", "ids") for vendor in VENDORS)
"""Paths of lists whose items must be unique."""
# kstatus takes a resource whose generation is not observed for one in progress.
STATUS_DEFAULT = {"observedGeneration": -1}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


COLUMNS = (
    ("Type", "string", ".spec.type", 0, "Where the data comes from"),
    ("Schedule", "string", ".spec.schedule", 0, "When runs are due"),
    ("Suspend", "boolean", ".spec.suspend", 0, "Whether scheduled runs are stopped"),
    ("Ready", "string", _condition("Ready", "status"), 0, "Whether all is well"),
    ("Last Run", "date", ".status.lastRun.startedAt", 0, "Since the latest run began"),
    ("Status", "string", ".status.lastRun.status", 0, "Outcome of the latest run"),
    ("Records", "integer", ".status.lastRun.processed", 0, "Records the latest run read"),
    ("Last Success", "date", ".status.lastSuccessTime", 0, "Since a run last succeeded"),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since the resource was made"),
    # kubectl prints a date column as an age, which a time in the future has not: a string.
    ("Next Run", "string", ".status.nextScheduleTime", 1, "When the next run is due"),
    (
        "Failures",
        "integer",
        ".status.consecutiveFailures",
        1,
        "Jobs that failed since the last success",
    ),
    ("Checkpoint", "date", ".status.checkpoint.updatedAt", 1, "Since the checkpoint last moved"),
    ("Message", "string", _condition("Ready", "message"), 1, "Why it is ready or is not"),
)
"""Columns of `kubectl get`: name, type, JSON path, priority (1: with -o wide), description."""


def definition() -> dict[str, Any]:
    """Return the CRD as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["csrc"],
                "categories": ["crypto"],
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.type"}, {"jsonPath": ".spec.suspend"}],
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": schema()},
    }


def _column(name: str, kind: str, path: str, priority: int, description: str) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": priority} if priority else {})


def schema() -> Schema:
    """Return the structural schema of the whole resource, rules included."""
    status = structural(CryptoSourceStatus, defaults=False)
    conditions = status["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    root: Schema = {
        "description": "A source of market data that is kept fresh on a schedule.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(CryptoSourceSpec, defaults=True),
            "status": status | {"default": dict(STATUS_DEFAULT)},
        },
    }
    for path, rules in RULES.items():
        _at(root, path)["x-kubernetes-validations"] = [rule.render() for rule in rules]
    for path in SETS:
        _at(root, path)["x-kubernetes-list-type"] = "set"
    return root


def _at(root: Schema, path: Path) -> Schema:
    found = root
    for name in path:
        found = found["properties"][name]
    return found
