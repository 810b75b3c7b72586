"""`cryptosource.io/v1alpha1`: the models of the resource, strict on spec and tolerant on status.

Belongs here: fields, their bounds, defaults and documentation; the CRD's schema is generated from
them. `vendors` holds for each vendor its member and, as data, its plans. Never here: what follows
from a value, which belongs to the modules one level up.
"""

from __future__ import annotations

from cryptosource_crd.v1alpha1.columns import Column, CsvColumns, TimeColumn
from cryptosource_crd.v1alpha1.csv_member import ConfigMapFile, Csv, VolumeClaimFile
from cryptosource_crd.v1alpha1.metadata import ObjectMeta
from cryptosource_crd.v1alpha1.operation import (
    Freshness,
    JobHistory,
    RateLimit,
    Resources,
    Retry,
)
from cryptosource_crd.v1alpha1.origin import BUILT_IN_TYPES, VENDORS, SecretKeyRef
from cryptosource_crd.v1alpha1.resource import API_VERSION, KIND, CryptoSource
from cryptosource_crd.v1alpha1.spec import CryptoSourceSpec, Identity
from cryptosource_crd.v1alpha1.status import (
    CheckpointStatus,
    Condition,
    CryptoSourceStatus,
    LastRun,
    RecentRun,
    Totals,
)
from cryptosource_crd.v1alpha1.vendors.vendor import Plan, Selection, Vendor, VendorSettings

__all__ = [
    "API_VERSION",
    "BUILT_IN_TYPES",
    "KIND",
    "VENDORS",
    "CheckpointStatus",
    "Column",
    "Condition",
    "ConfigMapFile",
    "CryptoSource",
    "CryptoSourceSpec",
    "CryptoSourceStatus",
    "Csv",
    "CsvColumns",
    "Freshness",
    "Identity",
    "JobHistory",
    "LastRun",
    "ObjectMeta",
    "Plan",
    "RateLimit",
    "RecentRun",
    "Resources",
    "Retry",
    "SecretKeyRef",
    "Selection",
    "TimeColumn",
    "Totals",
    "Vendor",
    "VendorSettings",
    "VolumeClaimFile",
]
