"""CSV files that tests write."""

from __future__ import annotations

import pytest

from support.csv_files import make_reader


@pytest.fixture
def reader_of(tmp_path):
    """Return a maker of readers of a file with that content."""

    def write(content, **settings):
        path = tmp_path / "coins.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return make_reader(path, **settings)

    return write
