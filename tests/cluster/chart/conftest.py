"""Helm, as the project builds it."""

from __future__ import annotations

import pytest

from support.built_programs import built_program
from support.chart import Helm


@pytest.fixture(scope="session", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 and Helm 3."""
    return Helm(
        program=built_program(request.param, "helm"), home=tmp_path_factory.mktemp(request.param)
    )
