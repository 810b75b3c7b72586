"""Whatever the served description allows, and much that it does not: no 5xx, no answer but declared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.serving import ServedApi

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
LEAST_CASES = 5_000
EXAMPLES = int(os.environ.get("CRYPTOSOURCE_FUZZ_EXAMPLES", "400"))
"""Of each operation."""
SECONDS = 1500
"""Far beyond what it takes."""
CONFIG = """
[checks.positive_data_acceptance]
# What no schema can say is refused with these: which ways to page exclude each other, what a
# cursor or a moment in time is.
expected-statuses = ["2xx", "304", 400, 404, 409, 422, 429]

[checks.negative_data_rejection]
# 414 rejects too: a value beyond its maxLength may be longer than any URL may be.
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 429]
"""
_CASES = re.compile(r"(\d+) generated")


@pytest.mark.timeout(SECONDS + 60)
def test_five_thousand_cases_of_the_description_find_nothing(served: ServedApi, tmp_path: Path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"http://127.0.0.1:{served.port}/openapi.json"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(EXAMPLES), "--seed", "20261121"),
            *("--exclude-path", "/data/stream", "--suppress-health-check", "all"),
            *("--request-timeout", "30", "--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    cases = _CASES.search(done.stdout)
    assert cases, done.stdout[-2_000:]
    assert int(cases[1]) >= LEAST_CASES
