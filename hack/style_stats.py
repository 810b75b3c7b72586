"""Hold the shape of the code: lengths, names, who imports whom, comments.

Bands as docs/adr/0001 says: they are what well-liked Python projects keep to. Prints the figures
beside the bands and fails when one is left. What is counted:

- Module: a file of ours that git knows or would take. Migrations are frozen history. An `__init__`
  is counted for its lines and comments alone: it is a package's charter, not a subject.
- Single importer: a module that exactly one other module imports. It is a subject of its own, or
  it belongs into its one user. Not counted at all: entry points (`__main__`, what pyproject.toml
  names, modules of commands in `cryptosource_cli.commands`, modules of routes). A name
  that an `__init__` passes on is an import of the module that it comes from; the `__init__` itself
  is no importer.
- Gerund: a module or package with a word in `-ing` in its name. `ring` and `string` are none.
- Repeated stem: a name that two modules or packages of one import package have, and that is not in
  `MEANINGS`.
- Comments: lines with a `#` comment for each hundred lines of code. Directives of tools (`noqa`,
  `type: ignore`) are no comments; docstrings, those of constants too, are neither.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("api", "cli", "crds", "etl_job", "migrations", "operator", "telemetry")
MODULE_MEDIAN_LINES, MODULE_MAX_LINES = 160, 400
FUNCTION_MEDIAN_LINES, FUNCTION_P90_LINES = 10, 35
SINGLE_IMPORTER_MAX_PERCENT = 25
GERUND_MAX_PERCENT = 10
COMMENT_MIN_PERCENT = 3
COMMANDS = "cryptosource_cli.commands"
MEANINGS = {
    "api_keys": "keys of the API: what is stored of them, and how they are looked up",
    "coins": "coins across sources",
    "errors": "failures, in the words of a run's outcome",
    "maintenance": "partitions ahead, retention behind",
    "models": "the shapes of answers",
    "parameters": "what a request may say",
    "queries": "what is asked of Postgres",
    "routes": "addresses and who answers them",
    "run_requests": "requests for runs, and what became of them",
    "runs": "runs and their history",
    "source_registration": "the row that a source has in Postgres",
    "source_state": "how a source is: read from its runs, and judged",
}
"""Stem -> what it means in every module of that name. A name that is not here is used once in an
import package; one that is not repeated is taken out."""
ROUTER = re.compile(r"^router = APIRouter\(", re.MULTILINE)
GERUND = re.compile(r"[a-z]*[aeiouy][a-z]*ing")
DIRECTIVE = re.compile(r"#\s*(noqa|type:|pragma|fmt:|nosec|ruff:|codespell)")
NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, where a package's own file is called as the package."""

    name: str
    source: str
    is_package: bool = False

    @property
    def stem(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def package(self) -> str:
        """Return the import package at the root of the name."""
        return self.name.partition(".")[0]


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


def read_module(path: Path) -> Module:
    """Return a module by its file, whose first folder is no part of the name."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, path.read_text("utf-8"), is_package)


def entry_points(found: Iterable[Module] = ()) -> frozenset[str]:
    """Return the modules that pyproject.toml names, and those whose router the API includes.

    Args:
        found: all modules. Each route module has one importer by design, as a command has none.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    tables = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    named = {value.partition(":")[0] for table in tables for value in table.values()}
    return frozenset(named | {each.name for each in found if ROUTER.search(each.source)})


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


def imports(source: str) -> Iterator[tuple[str, str]]:
    """Yield what a module imports as (module, name); the name is empty for `import module`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def importers(found: Iterable[Module]) -> dict[str, set[str]]:
    """Return for each module, packages' own files left out, which other modules import it."""
    by_name = {module.name: module for module in found}
    packages = {name for name, module in by_name.items() if module.is_package}
    passed_on = {
        (package, name): f"{origin}.{name}" if f"{origin}.{name}" in by_name else origin
        for package in packages
        for origin, name in imports(by_name[package].source)
    }
    users: dict[str, set[str]] = {name: set() for name in by_name if name not in packages}
    for module in by_name.values():
        for imported, name in () if module.is_package else imports(module.source):
            target = imported
            if f"{imported}.{name}" in by_name:
                target = f"{imported}.{name}"
            elif (imported, name) in passed_on:
                target = passed_on[imported, name]
            if target in users and target != module.name:
                users[target].add(module.name)
    return users


def single_importers(found: Iterable[Module], *, exempt: frozenset[str]) -> tuple[list[str], int]:
    """Return the modules that exactly one other imports, and how many could be such.

    Args:
        found: all modules.
        exempt: the entry points of the project.
    """
    users = importers(found)
    counted = [
        name
        for name in users
        if name not in exempt
        and not name.endswith("__main__")
        and not name.startswith(f"{COMMANDS}.")
    ]
    return [name for name in counted if len(users[name]) == 1], len(counted)


def gerunds(found: Iterable[Module]) -> list[str]:
    """Return the modules and packages with a word in `-ing` in their own name."""
    return [
        module.name
        for module in found
        if any(GERUND.fullmatch(word) for word in module.stem.split("_"))
    ]


def repeated_stems(
    found: Iterable[Module], meanings: Mapping[str, str] = MEANINGS
) -> dict[str, list[str]]:
    """Return the stems that are used more than once in an import package without a meaning.

    Args:
        found: all modules.
        meanings: stems that mean the same wherever they are used.
    """
    by_stem: dict[tuple[str, str], list[str]] = defaultdict(list)
    for module in found:
        by_stem[module.package, module.stem].append(module.name)
    return {
        f"{package}: {stem}": sorted(names)
        for (package, stem), names in sorted(by_stem.items())
        if len(names) > 1 and stem not in meanings
    }


def idle_meanings(found: Iterable[Module], meanings: Mapping[str, str] = MEANINGS) -> list[str]:
    """Return the stems with a meaning that no import package uses more than once."""
    used = [(module.package, module.stem) for module in found]
    repeated = {stem for package, stem in used if used.count((package, stem)) > 1}
    return sorted(set(meanings) - repeated)


def comment_lines(source: str) -> tuple[int, int]:
    """Return how many lines have a comment, and how many have code."""
    comments: set[int] = set()
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not DIRECTIVE.match(token.string):
            comments.add(token.start[0])
        elif token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(comments), len(code - _docstring_lines(ast.parse(source)))


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Return the lines of strings that are statements: docstrings, of attributes too."""
    strings = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
    return {line for node in strings for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def shape_complaints(found: Iterable[Module]) -> list[str]:
    """Print the lengths of modules and functions; return what leaves its band."""
    module_lines: list[int] = []
    function_lines: list[int] = []
    complaints: list[str] = []
    for module in found:
        lines = module.source.count("\n")
        if lines > MODULE_MAX_LINES:
            complaints.append(f"{module.name}: {lines} lines, at most {MODULE_MAX_LINES}")
        if lines > 5:  # noqa: PLR2004 - an empty __init__ is no module
            module_lines.append(lines)
        function_lines += [body_lines(one) for one in functions(ast.parse(module.source))]
    figures = {
        "module median": (statistics.median(module_lines), MODULE_MEDIAN_LINES),
        "function median": (statistics.median(function_lines), FUNCTION_MEDIAN_LINES),
        "function p90": (statistics.quantiles(function_lines, n=10)[-1], FUNCTION_P90_LINES),
    }
    for name, (value, band) in figures.items():
        print(f"{name}: {value:g} lines, band {band}")
        if value > band:
            complaints.append(f"{name} of {value:g} lines leaves the band of {band}")
    return complaints


def name_complaints(found: list[Module], *, exempt: frozenset[str]) -> list[str]:
    """Print the figures of names, imports and comments; return what leaves its band.

    Args:
        found: all modules.
        exempt: the entry points of the project.
    """
    single, counted = single_importers(found, exempt=exempt)
    named = [module for module in found if "." in module.name]
    gerund = gerunds(named)
    both = [comment_lines(module.source) for module in found]
    comments, code = sum(one for one, _ in both), sum(one for _, one in both)
    shares = {
        "single importers": (single, counted, SINGLE_IMPORTER_MAX_PERCENT),
        "gerunds": (gerund, len(named), GERUND_MAX_PERCENT),
    }
    complaints: list[str] = []
    for name, (names, total, band) in shares.items():
        percent = 100 * len(names) / total
        print(f"{name}: {len(names)} of {total} names, {percent:.1f} %, at most {band} %")
        if percent > band:
            complaints.append(f"{name}: {percent:.1f} %, at most {band} %: {', '.join(names)}")
    percent = 100 * comments / code
    print(f"comments: {percent:.1f} for 100 lines of code, at least {COMMENT_MIN_PERCENT}")
    if percent < COMMENT_MIN_PERCENT:
        complaints.append(f"comments: {percent:.1f} for 100 lines, at least {COMMENT_MIN_PERCENT}")
    repeated = repeated_stems(named)
    print(f"repeated stems without a meaning: {len(repeated)}, at most 0")
    complaints += [f"one stem, two meanings? {stem}: {names}" for stem, names in repeated.items()]
    complaints += [f"{stem} is not repeated: it needs no meaning" for stem in idle_meanings(named)]
    return complaints


def main() -> int:
    """Print the figures; return 1 when a band is left. `--list` names also what is not enforced."""
    found = [read_module(path) for path in modules()]
    complaints = shape_complaints(found)
    complaints += name_complaints(found, exempt=entry_points(found))
    for complaint in complaints:
        print(f"error: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
