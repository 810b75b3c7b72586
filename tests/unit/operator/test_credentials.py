"""Which cluster the operator is in, by what it knows from wherever it runs."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import kopf
import pytest

from cryptosource_operator.credentials import cluster_of

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SERVER = "https://10.0.0.1"


def test_a_pod_and_a_kubeconfig_name_the_same_cluster(tmp_path):
    file = tmp_path / "ca.crt"
    file.write_text(PEM, "utf-8")
    packed = base64.b64encode(PEM.encode()).decode()

    pod = kopf.ConnectionInfo(server=SERVER, ca_path=str(file))
    kubeconfig = kopf.ConnectionInfo(server="https://public.example", ca_data=packed)
    plain = kopf.ConnectionInfo(server=SERVER, ca_data=PEM)

    assert cluster_of(pod) == cluster_of(kubeconfig) == cluster_of(plain)


@pytest.mark.parametrize(
    "other",
    [
        {"ca_data": PEM.replace("MIIB", "MIIC")},
        {"server": "https://10.0.0.2"},
        {},
    ],
)
def test_other_authorities_and_addresses_are_other_clusters(other):
    one = kopf.ConnectionInfo(server=SERVER, ca_data=PEM)

    assert cluster_of(one) != cluster_of(kopf.ConnectionInfo(**({"server": SERVER} | other)))


LOGIN = """
import sys
from cryptosource_cli.commands import operator as operating
assert "kubernetes" not in sys.modules, "imported although nobody needs it"
print(operating.login().token)
print("kubernetes" in sys.modules)
"""


def logged_in(tmp_path, user):
    """Return what a fresh process finds out about a kubeconfig with that user."""
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(document), "utf-8")
    command = [sys.executable, "-c", LOGIN]
    environment = os.environ | {"KUBECONFIG": str(file)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


def test_a_kubeconfig_with_a_token_needs_no_kubernetes_client(tmp_path):
    assert logged_in(tmp_path, {"token": "t-1"}) == ["t-1", "False"]


def test_a_kubeconfig_whose_user_is_a_program_gets_its_token_by_the_kubernetes_client(tmp_path):
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    answer |= {"status": {"token": "from-a-program"}}
    program = {
        "apiVersion": answer["apiVersion"], "command": sys.executable,
        "args": ["-c", f"print({json.dumps(answer)!r})"], "interactiveMode": "Never",
    }  # fmt: skip

    assert logged_in(tmp_path, {"exec": program}) == ["from-a-program", "True"]
