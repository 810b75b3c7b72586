"""Who the operator is to the API server: its pod's service account, or a kubeconfig."""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path
from typing import Any

from cryptosource_operator.adapters.kopf import kopf
from cryptosource_operator.names import digest

log = logging.getLogger(__name__)


class NoCredentials(Exception):
    """Nothing says where the API server is. The message says what to do."""


def login(**_: Any) -> kopf.ConnectionInfo:
    """Return the credentials of the pod's service account, else of the kubeconfig.

    Only a kubeconfig whose user is a program (`aws`, `gke-gcloud-auth-plugin`) needs the
    `kubernetes` package, which costs 22 MiB of memory; in a cluster it is never imported
    (`adapters.kopf` sees to that).

    Raises:
        NoCredentials: there are none.
    """
    settings = kopf.OperatorSettings()
    found = kopf.login_with_service_account(settings=settings, logger=log)
    found = found or kopf.login_with_kubeconfig(settings=settings, logger=log)
    if found is not None and not (found.token or found.certificate_data or found.certificate_path):
        found = kopf.login_via_client(settings=settings, logger=log) or found
    if found is None:
        raise NoCredentials("no API server is known: set KUBECONFIG, or run in a cluster")
    return found  # type: ignore[no-any-return,unused-ignore]


def cluster_of(credentials: kopf.ConnectionInfo) -> str:
    """Return which cluster credentials are for: the same from a pod and from a kubeconfig.

    Its certificate authority is what a cluster has of its own and everybody may read. Where there
    is none to check, it is the address.
    """
    authority = b""
    if credentials.ca_path:
        authority = Path(os.fsdecode(credentials.ca_path)).read_bytes()
    elif credentials.ca_data:
        data = credentials.ca_data
        authority = data.encode() if isinstance(data, str) else bytes(data)
        if b"-----BEGIN" not in authority:
            authority = base64.b64decode(authority)
    return digest(authority.decode("latin-1").strip() or credentials.server)[:32]
