"""Credentials for the API server, from the pod's service account or a kubeconfig."""

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
    """No credentials were found. The message says what to set."""


def login(**_: Any) -> kopf.ConnectionInfo:
    """Return the credentials of the pod's service account, else of the kubeconfig.

    Raises:
        NoCredentials: there are none.
    """
    settings = kopf.OperatorSettings()
    found = kopf.login_with_service_account(settings=settings, logger=log)
    found = found or kopf.login_with_kubeconfig(settings=settings, logger=log)
    # Only a kubeconfig whose user is a program (`aws`, `gke-gcloud-auth-plugin`) needs the package
    # `kubernetes`, which costs 22 MiB of memory; elsewhere it is never imported (see `adapters.kopf`).
    if found is not None and not (found.token or found.certificate_data or found.certificate_path):
        found = kopf.login_via_client(settings=settings, logger=log) or found
    if found is None:
        raise NoCredentials("no API server is known: set KUBECONFIG, or run in a cluster")
    return found  # type: ignore[no-any-return,unused-ignore]


def cluster_of(credentials: kopf.ConnectionInfo) -> str:
    """Return an id of the cluster, the same by a pod's credentials and by a kubeconfig."""
    # By the certificate authority: it is the cluster's own and readable by every client, while the
    # address differs inside and outside. Without an authority the address has to do.
    authority = b""
    if credentials.ca_path:
        authority = Path(os.fsdecode(credentials.ca_path)).read_bytes()
    elif credentials.ca_data:
        data = credentials.ca_data
        authority = data.encode() if isinstance(data, str) else bytes(data)
        if b"-----BEGIN" not in authority:
            authority = base64.b64decode(authority)
    return digest(authority.decode("latin-1").strip() or credentials.server)[:32]
