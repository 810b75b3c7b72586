"""Helm, as the project builds it; nothing is built or fetched here."""

from __future__ import annotations

import pytest
from hack.cluster import building

from support.chart import Helm


@pytest.fixture(scope="session", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 and Helm 3; skipped where a build is not at hand."""
    if not building.is_built(request.param):
        pytest.skip(f"not built: python -m hack.cluster build {request.param}")
    program = building.module(request.param).built / "helm"
    return Helm(program=program, home=tmp_path_factory.mktemp(request.param))
