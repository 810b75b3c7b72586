"""Write kubeconfig files, and run kubectl by one. JSON is YAML: the standard library is enough."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from hack.cluster import building
from hack.cluster.errors import ClusterError
from hack.cluster.pki import KeyPair


def write(path: Path, *, server: str, authority: Path, client: KeyPair, name: str) -> Path:
    """Write a kubeconfig with everything in it, readable by its owner alone.

    Args:
        path: the file.
        server: URL of the API server.
        authority: certificate that the server's is signed by.
        client: the user's certificate and key.
        name: of the cluster, the user and the context.

    Returns:
        The path.
    """
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    user = {
        "client-certificate-data": _encoded(client.certificate),
        "client-key-data": _encoded(client.key),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return path


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run our own kubectl as the user of a kubeconfig and return what it printed.

    Raises:
        ClusterError: kubectl failed; the message is its own.
    """
    program = building.programs("kubernetes", "kubectl")["kubectl"]
    done = subprocess.run(
        [program, f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
