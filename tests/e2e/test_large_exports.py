"""The memory of the server while it exports: that of some batches, however long the list is."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support
from support.commands import environment
from support.exporting import long_history
from support.serving import ServedApi, serving

FEW, MANY = 15_000, 75_000
MAX_GROWTH_MIB = 24
"""A list that is held whole takes more than a KiB a row: 60 MiB, whatever the form."""
RESET_PEAK = "5"
"""What proc(5) has for `clear_refs`."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the kernel does not tell peaks"
)


@pytest.fixture(scope="module")
def api(
    postgres: URL, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    folder = tmp_path_factory.mktemp("api")
    with postgres_support.database(postgres, template=migrated_template) as url:
        long_history(url, MANY)
        with serving("api", env=environment(url, folder), folder=folder) as served:
            yield served


def peak_mib(api: ServedApi, form: str, rows: int) -> float:
    """Export so many rows; return the server's largest resident set meanwhile."""
    process = Path("/proc", str(api.command.process.pid))
    (process / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)) as link:
        link.request("GET", f"/data/BTC/history?format={form}&limit={rows}")
        answer = link.getresponse()
        assert answer.status == 200
        while answer.read(1 << 20):
            pass
    status = (process / "status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_the_peak_of_the_server_does_not_grow_with_the_rows_of_an_export(api: ServedApi, form: str):
    few, many = peak_mib(api, form, FEW), peak_mib(api, form, MANY)

    assert many - few < MAX_GROWTH_MIB
