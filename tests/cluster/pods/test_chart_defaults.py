"""What the README shows, from nothing to nothing; the first of these files, while no CRD is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hack.cluster import places

from support.leftovers import CRD, crd, look
from support.release import Release, restricted_namespace
from support.services import kubectl
from support.source_objects import Sources
from support.waits import eventually


@pytest.mark.timeout(900, func_only=True)
def test_with_defaults_the_samples_load_and_an_end_keeps_the_data(
    cluster, images, kube, helm, tmp_path
):
    """What the README shows: make deploy, kubectl apply -f samples/, curl, helm test, uninstall."""
    had_crd = crd(kube) is not None
    with restricted_namespace(kube, "crypto") as space:
        release = Release(
            helm=helm,
            kubeconfig=cluster.kubeconfig,
            kube=kube,
            namespace=space,
            name="cryptosource",
        )
        sources = Sources(kube, space)
        try:
            deploy(space, tmp_path, {"crds": {"enabled": not had_crd}})
            apply_samples(cluster, space)
            eventually(
                lambda: sources.condition("Ready", "coins-csv")[0] == "True",
                seconds=120,
                what="the CSV sample is loaded",
            )
            loaded = release.api.get("/data?source=coins-csv&page_size=100")["data"]
            assert len(loaded) == 20
            assert "Succeeded" in release.run("test", release.name, "--timeout", "3m")
            for name in ("coingecko", "coinpaprika"):
                sources.delete(name)

            release.uninstall()
            left = {kind for kind, _ in look(kube, space)}
            assert crd(kube)
            assert {"cryptosources", "cronjobs", "secrets", "persistentvolumeclaims"} <= left
            assert not left & {"deployments", "statefulsets", "services", "roles", "rolebindings"}

            deploy(space, tmp_path, {"crds": {"enabled": not had_crd}})
            again = release.api.get("/data?source=coins-csv&page_size=100")["data"]
            assert [one["id"] for one in again] == [one["id"] for one in loaded]
        finally:
            sources.clear()
            release.uninstall()
            if not had_crd:
                kube.request("DELETE", CRD)
                eventually(lambda: crd(kube) is None, what="the CRD is gone")


def deploy(space: str, folder: Path, values: dict[str, Any]) -> None:
    """Do what `make deploy` does, in a namespace of the test's own."""
    file = folder / "values.json"
    file.write_text(json.dumps(values), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "hack.deploy", "--namespace", space, "--values", str(file)],
        cwd=places.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def apply_samples(cluster, space: str) -> None:
    samples = str(places.PROJECT / "samples")
    done = kubectl(cluster.kubeconfig, "--namespace", space, "apply", "--filename", samples)
    assert done.returncode == 0, done.stderr
