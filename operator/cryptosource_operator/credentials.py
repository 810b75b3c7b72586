"""Who the operator is to the API server: its pod's service account, or a kubeconfig."""

from __future__ import annotations

import logging
from typing import Any

import kopf

log = logging.getLogger(__name__)


class NoCredentials(Exception):
    """Nothing says where the API server is. The message says what to do."""


def login(**_: Any) -> kopf.ConnectionInfo:
    """Return the credentials of the pod's service account, else of the kubeconfig.

    Only a kubeconfig whose user is a program (`aws`, `gke-gcloud-auth-plugin`) needs the
    `kubernetes` package, which costs 40 MiB of memory; in a cluster it is never imported.

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
