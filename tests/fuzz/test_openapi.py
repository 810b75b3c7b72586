"""Whatever the served description allows, and much that it does not: no 5xx, no answer but declared.

All checks of schemathesis in their strictest form, on every operation. Its stateful phase is left
out: nothing can be deleted or changed through this API, and the one thing that can be made, a
request for a run, is followed to its end by tests/integration/api/test_triggers.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.serving import ServedApi

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
LEAST_CASES = 5_000
EXAMPLES = int(os.environ.get("CRYPTOSOURCE_FUZZ_EXAMPLES", "400"))
"""Of each operation at most; one that takes nothing has few."""
SECONDS = 1500
"""Far beyond what it takes."""
CONFIG = """
[checks.negative_data_rejection]
# The default and the sizes: too large a body, too long a URL, too long a head.
expected-statuses = [400, 401, 403, 404, 406, 413, 414, 422, 428, 431]
"""
SHARES = (("--include-tag", "data"), ("--exclude-tag", "data"))
"""Of the operations: making cases costs more than answering them, so it is done in two processes."""
_CASES = re.compile(r"(\d+) generated")


def fuzz(api: ServedApi, share: tuple[str, ...], folder: Path) -> str:
    """Ask what a share of the description says, the same each time; return what is reported."""
    folder.mkdir()
    (folder / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"http://127.0.0.1:{api.port}/openapi.json", *share),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(EXAMPLES), "--seed", "20261121", "--generation-deterministic"),
            *("--suppress-health-check", "all"),
            *("--request-timeout", "60", "--continue-on-failure", "--no-shrink", "--no-color"),
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("rules.py"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    (folder / "report.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.mark.timeout(SECONDS + 60)
def test_five_thousand_cases_of_the_description_find_nothing(
    served: ServedApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with ThreadPoolExecutor() as pool:
        folders = [tmp_path / str(number) for number in range(len(SHARES))]
        reports = list(pool.map(fuzz, [served] * len(SHARES), SHARES, folders))

    cases = sum(int(number) for report in reports for number in _CASES.findall(report))
    with capsys.disabled():
        print(f"\n{cases} cases of the description")
    assert cases >= LEAST_CASES
