"""What the chart renders, before the judgement of a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hack.cluster import control_plane
from hack.cluster.errors import ClusterError

from support.chart import CHART, COMBINATIONS, pod_templates

SPACE, INSTALLED = "market", "installed"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
NOT_OURS = {"ServiceMonitor", "PrometheusRule"}
"""Kinds whose CRD this API server does not have."""


@pytest.fixture(scope="module")
def plane() -> Iterator[control_plane.ControlPlane]:
    """A control plane with restricted namespaces and without the CRD."""
    with control_plane.running(controllers=()) as plane:
        for name in (SPACE, "prices", INSTALLED):
            space = {"apiVersion": "v1", "kind": "Namespace"}
            space |= {"metadata": {"name": name, "labels": RESTRICTED}}
            plane.kubectl("create", "-f", "-", stdin=json.dumps(space))
        yield plane


@pytest.mark.parametrize(
    "values", [None, *COMBINATIONS], ids=["defaults", *(path.stem for path in COMBINATIONS)]
)
def test_every_object_is_accepted_and_every_pod_admitted(plane, helm, values):
    objects = [one for one in helm.render(values, namespace=SPACE) if one["kind"] not in NOT_OURS]
    accounts = [one for one in objects if one["kind"] == "ServiceAccount"]
    plane.kubectl("apply", "-f", "-", stdin=listed(accounts))
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}", "namespace": SPACE},
            "spec": template["spec"] | claims_as_scratch(template["spec"]),
        }
        for number, (_, template) in enumerate(pod_templates(objects))
    ]

    everything = plane.kubectl(*DRY_RUN, stdin=listed(objects))
    admitted = plane.kubectl(*DRY_RUN, stdin=listed(pods))

    assert len(everything.split()) == len(objects), everything
    assert len(admitted.split()) == len(pods) > 0, admitted


DRY_RUN = (
    "apply",
    "--server-side",
    "--dry-run=server",
    "--validate=strict",
    "-o",
    "name",
    "-f",
    "-",
)


def listed(objects):
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def claims_as_scratch(spec):
    """A claim made of a StatefulSet's template is no part of the pod's own template."""
    known = {volume["name"] for volume in spec["volumes"]}
    mounted = {one["name"] for container in spec["containers"] for one in container["volumeMounts"]}
    scratch = [{"name": name, "emptyDir": {}} for name in sorted(mounted - known)]
    return {"volumes": [*spec["volumes"], *scratch]}


def test_a_pod_without_its_security_context_would_be_refused(plane, helm):
    """The judge is awake."""
    objects = helm.render(CHART / "ci" / "smallest-values.yaml", namespace=SPACE)
    plane.kubectl(
        "apply", "-f", "-", stdin=listed([one for one in objects if "Account" in one["kind"]])
    )
    _, template = next(pod_templates(objects))
    template["spec"].pop("securityContext")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad", "namespace": SPACE}}

    with pytest.raises(ClusterError, match="violates PodSecurity"):
        plane.kubectl(*DRY_RUN, stdin=listed([pod | {"spec": template["spec"]}]))


def test_the_generated_password_survives_upgrade_and_reinstallation(plane, helm):
    where = ("--namespace", INSTALLED, "--kubeconfig", str(plane.kubeconfig))

    def password():
        options = ("get", "secret", "-n", INSTALLED, "prices-cryptosource-database", "-o")
        return plane.kubectl(*options, "jsonpath={.data.password}")

    helm.run("install", "prices", str(CHART), *where)
    seen = [password()]
    helm.run("upgrade", "prices", str(CHART), *where, "--set", "api.replicas=2")
    seen.append(password())
    helm.run("uninstall", "prices", *where)
    helm.run("install", "prices", str(CHART), *where)
    seen.append(password())
    helm.run("uninstall", "prices", *where)

    assert len(set(seen)) == 1
    assert seen[0]


@pytest.mark.parametrize("keep", [True, False])
def test_the_crd_outlives_the_release_exactly_when_it_is_kept(plane, helm, keep):
    where = ("--namespace", INSTALLED, "--kubeconfig", str(plane.kubeconfig))
    crd = "crd/cryptosources.cryptosource.io"
    ends = ("get", crd, "--ignore-not-found", "-o", "jsonpath={.metadata.deletionTimestamp}")

    helm.run("install", "prices", str(CHART), *where, "--set", f"crds.keep={str(keep).lower()}")
    assert plane.kubectl("get", crd)
    helm.run("uninstall", "prices", *where)

    if keep:
        assert plane.kubectl("get", crd)
        assert not plane.kubectl(*ends)
        plane.kubectl("delete", crd)
    plane.kubectl("wait", "--for=delete", crd, "--timeout=60s")
