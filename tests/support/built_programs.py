"""Programs that the project builds of pinned Go modules, for tests that run them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hack.cluster import building
from hack.cluster.errors import ClusterError


def built_program(module: str, name: str) -> Path:
    """Return a program, built where it is not yet.

    Where that cannot be done the test is skipped, but never by the gate, which builds it before.

    Args:
        module: a folder of hack/cluster/modules.
        name: of one of its programs.
    """
    try:
        return building.programs(module, name)[name]
    except ClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {name} can be built here: {error}")
