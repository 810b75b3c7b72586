"""A control plane for the session: a real API server with the real controllers, without nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack.cluster import control_plane
from hack.cluster.errors import ClusterError
from sqlalchemy import text

from cryptosource_crd.generator import PLURAL
from cryptosource_store.engine import session_engine
from support.kube import SOURCES, Kube, namespace
from support.operator_process import USER, OperatorProcess, grant, operating
from support.source_objects import Sources
from support.waits import eventually

CHECKOUT = Path(__file__).parents[2]
CONTROLLERS = (
    "job",
    "cronjob",
    "garbagecollector",
    "namespace",
    "resourcequota",
    "serviceaccount",
)


@pytest.fixture(scope="session")
def plane() -> Iterator[control_plane.ControlPlane]:
    """A control plane with the CRD in it; skipped where it cannot be built, but never by the gate."""
    try:
        control_plane.find_programs()
    except ClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no control plane can be built here: {error}")
    with control_plane.running(controllers=CONTROLLERS) as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CHECKOUT / "crds" / "cryptosources.yaml"))
        kube = Kube(plane.kubeconfig)
        eventually(lambda: kube.get(f"{SOURCES}/{PLURAL}"), what="the CRD is served")
        kube.http.close()
        yield plane


@pytest.fixture(scope="session")
def kube(plane: control_plane.ControlPlane) -> Iterator[Kube]:
    """The administrator's client."""
    kube = Kube(plane.kubeconfig)
    yield kube
    kube.http.close()


@pytest.fixture
def space(kube: Kube) -> Iterator[str]:
    """A namespace of the test's own."""
    with namespace(kube, "test") as name:
        yield name


@pytest.fixture(scope="session")
def operator_kubeconfig(plane: control_plane.ControlPlane, kube: Kube) -> Path:
    """The kubeconfig of a user with the operator's rights and no others."""
    grant(kube)
    return plane.kubeconfig_for(USER)


@pytest.fixture
def sources(kube: Kube, space: str) -> Sources:
    """The CryptoSources of the test's namespace."""
    return Sources(kube, space)


@pytest.fixture(scope="module")
def operator(operator_kubeconfig, module_database, tmp_path_factory) -> Iterator[OperatorProcess]:
    """The operator of the module."""
    folder = tmp_path_factory.mktemp("operator")
    with operating(operator_kubeconfig, folder, database=module_database) as operator:
        yield operator


@pytest.fixture
def store(operator, module_database):
    """Statements on the operator's database."""
    engine = session_engine(module_database, application="cryptosource-test")

    def execute(statement, **values):
        statement = text(statement) if isinstance(statement, str) else statement
        with engine.begin() as connection:
            result = connection.execute(statement, values)
            return result.all() if result.returns_rows else []

    yield execute
    engine.dispose()
