"""The resource as a whole."""

from __future__ import annotations

from typing import Literal

from cryptosource_crd.v1alpha1.closed_model import ClosedModel
from cryptosource_crd.v1alpha1.metadata import ObjectMeta
from cryptosource_crd.v1alpha1.spec import CryptoSourceSpec
from cryptosource_crd.v1alpha1.status import CryptoSourceStatus

API_VERSION = "cryptosource.io/v1alpha1"
KIND = "CryptoSource"


class CryptoSource(ClosedModel):
    """A source of market data that is kept fresh on a schedule."""

    api_version: Literal["cryptosource.io/v1alpha1"]
    """`cryptosource.io/v1alpha1`."""
    kind: Literal["CryptoSource"]
    """`CryptoSource`."""
    metadata: ObjectMeta
    """Name, namespace, labels and annotations."""
    spec: CryptoSourceSpec
    """What is asked for."""
    status: CryptoSourceStatus = CryptoSourceStatus()
    """What the operator reports; ignored in a manifest."""
