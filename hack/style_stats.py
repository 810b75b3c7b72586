"""Hold the shape of the code: module and function lengths, annotations, docstrings.

Bands as docs/adr/0001 says: they are what well-liked Python projects keep to. Prints the figures
beside the bands and fails when one is left.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("api", "cli", "crds", "etl_job", "migrations", "operator", "telemetry")
MODULE_MEDIAN_LINES, MODULE_MAX_LINES = 160, 400
FUNCTION_MEDIAN_LINES, FUNCTION_P90_LINES = 10, 35


def modules() -> Iterator[Path]:
    """Yield our modules that git knows or would take; migrations are frozen history."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SOURCES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in sorted(set(listed.stdout.splitlines())):
        path = ROOT / name
        if path.suffix == ".py" and "versions" not in path.parts and path.exists():
            yield path


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a module, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's statements take, its docstring left out."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    if not statements:
        return 1
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def main() -> int:
    """Print the figures; return 1 when a band is left."""
    module_lines: list[int] = []
    function_lines: list[int] = []
    complaints: list[str] = []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        lines = source.count("\n")
        if lines > MODULE_MAX_LINES:
            complaints.append(
                f"{path.relative_to(ROOT)}: {lines} lines, at most {MODULE_MAX_LINES}"
            )
        if lines > 5:  # noqa: PLR2004 - an empty __init__ is no module
            module_lines.append(lines)
        function_lines += [body_lines(function) for function in functions(tree)]
    figures = {
        "module median": (statistics.median(module_lines), MODULE_MEDIAN_LINES),
        "function median": (statistics.median(function_lines), FUNCTION_MEDIAN_LINES),
        "function p90": (statistics.quantiles(function_lines, n=10)[-1], FUNCTION_P90_LINES),
    }
    for name, (value, band) in figures.items():
        print(f"{name}: {value:g} lines, band {band}")
        if value > band:
            complaints.append(f"{name} of {value:g} lines leaves the band of {band}")
    for complaint in complaints:
        print(f"error: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
