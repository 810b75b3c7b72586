"""`python -m hack.api_reference`: a page for each operation of the API, out of its description."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.openapi import description

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE_BY = "<!-- Made by `make generate` of what the API serves as /openapi.json. -->\n"
BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "pattern": "like `{}`",
    "format": "{}",
}
PROBLEM = "application/problem+json"
DEEPEST = 8
"""Levels of members that a table shows; none of ours has more."""
INDEX = """\
# Reference of the API

A page for each operation, made of the description that the API serves as `/openapi.json`. The same, to try out,
is at `/docs` of every API; to read, at `/redoc`. As a file: [openapi.json](../openapi.json).

{rows}

Not in the table: `/ws`, a WebSocket with what `/data/stream` tells ([live.md](../live.md)); the pages for people `/`, `/coins`
and `/runs` ([page.md](../page.md)); `/docs`, `/redoc` and `/openapi.json`. HEAD works wherever GET does.

What holds for all of them:

- An answer is `{{"data": …, "meta": …}}`, a list has `pagination` beside; amounts are numbers with all their digits, times are UTC, unknown is null.
- An error is a problem document (RFC 9457): [errors.md](errors.md) lists each with what to do.
- Scopes count where keys are asked for; rates, sizes and deadlines always: [security.md](../security.md).
- An unknown, repeated or misspelt parameter is refused, with the name that was probably meant.
"""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, with what its references refer to."""

    method: str
    path: str
    content: dict[str, Any]
    components: dict[str, Any]

    @property
    def title(self) -> str:
        """As one writes it: GET /data."""
        return f"{self.method} {self.path}"

    @property
    def file(self) -> str:
        """Name of its page."""
        words = self.path.strip("/").replace("{", "").replace("}", "").replace("/", "-")
        return f"{self.method.lower()}-{words or 'index'}.md"

    def follow(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what a schema, an example or a header is, be it by reference."""
        while "$ref" in schema:
            _, kind, name = schema["$ref"].rsplit("/", 2)
            schema = self.components[kind][name]
        return schema

    def scopes(self) -> list[str]:
        """Return the scopes of which one is needed."""
        needed = self.content.get("security", ())
        return sorted({scope for each in needed for names in each.values() for scope in names})


def operations(described: dict[str, Any]) -> list[Operation]:
    """Return every operation."""
    return [
        Operation(
            method=method.upper(), path=path, content=content, components=described["components"]
        )
        for path, methods in described["paths"].items()
        for method, content in methods.items()
    ]


def table(head: str, rows: Iterator[tuple[str, ...]]) -> list[str]:
    """Return a table of Markdown."""
    names = head.split(" | ")
    return [
        f"| {head} |",
        f"|{'---|' * len(names)}",
        *(f"| {' | '.join(_cell(each) for each in row)} |" for row in rows),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def kind_of(schema: dict[str, Any], operation: Operation) -> str:
    """Return a schema's type in a few words."""
    schema = operation.follow(schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(each, operation) for each in schema["anyOf"]))
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"]).replace("\\|", "/")
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"array of {kind_of(schema.get('items', {}), operation)}"
    return str(schema.get("type", "any"))


def bounds_of(schema: dict[str, Any], operation: Operation) -> str:
    """Return what a value must keep to."""
    schema = operation.follow(schema)
    return ", ".join(
        words.format(_number(schema[key])) for key, words in BOUNDS.items() if key in schema
    )


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def members(
    schema: dict[str, Any], operation: Operation, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and description of every member of an answer."""
    schema = operation.follow(schema)
    for each in schema.get("anyOf", ()):
        yield from members(each, operation, prefix, depth)
    if schema.get("type") == "array":
        yield from members(schema.get("items", {}), operation, f"{prefix}[]", depth)
    if depth == DEEPEST:
        return
    for name, member in schema.get("properties", {}).items():
        path = f"{prefix}.{name}".lstrip(".")
        kind = kind_of(member, operation)
        yield f"`{path}`", kind, _meaning(member)
        yield from members(member, operation, path, depth + 1)


def _meaning(member: dict[str, Any]) -> str:
    """Return a member's description, or that of the type that it may be null of."""
    words = [each.get("description", "") for each in (member, *member.get("anyOf", ()))]
    return next(filter(None, words), "")


def page(operation: Operation) -> str:
    """Return an operation's page."""
    content = operation.content
    return "\n".join(
        [
            MADE_BY,
            f"# {operation.title}",
            "",
            f"{content['summary']}.",
            "",
            content["description"],
            "",
            *_manners(operation),
            *_parameters(operation),
            *_body(operation),
            *_answers(operation),
            *_errors(operation),
            "",
            "[All operations](README.md) · [All errors](errors.md)",
            "",
        ]
    )


def _manners(operation: Operation) -> list[str]:
    scopes = " or ".join(f"`{scope}`" for scope in operation.scopes())
    scope = f"{scopes}, where keys are asked for" if scopes else "none: open to everybody"
    headers = _success(operation)[1]["headers"]
    caching = "nobody may keep the answer (`Cache-Control: no-store`)"
    if "ETag" in headers:
        caching = (
            "`ETag` and `Cache-Control: no-cache`: send `If-None-Match`, and what did not change "
            "is a 304"
        )
    rate = "counted; `RateLimit` tells what is left" if "RateLimit" in headers else "not counted"
    return [
        f"- **Operation** `{operation.content['operationId']}`, tag `{operation.content['tags'][0]}`",
        f"- **Scope** {scope}",
        f"- **Caching** {caching}",
        f"- **Rate** {rate}",
        "",
    ]


def _success(operation: Operation) -> tuple[str, dict[str, Any]]:
    return next(item for item in operation.content["responses"].items() if item[0].startswith("2"))


def _parameters(operation: Operation) -> list[str]:
    parameters = operation.content.get("parameters", [])
    if not parameters:
        return ["It takes no parameters.", ""]
    rows = (_parameter(each, operation) for each in parameters)
    head = "parameter | in | type | bounds | default | example | what"
    return ["## Parameters", "", *table(head, rows), ""]


def _parameter(parameter: dict[str, Any], operation: Operation) -> tuple[str, ...]:
    schema = operation.follow(parameter["schema"])
    default = "required" if parameter.get("required") else _code(schema.get("default"))
    examples = schema.get("examples") or schema.get("enum") or [schema.get("default")]
    return (
        f"`{parameter['name']}`",
        parameter["in"],
        kind_of(schema, operation),
        bounds_of(schema, operation),
        default,
        _code(examples[0]),
        parameter.get("description", ""),
    )


def _code(value: object) -> str:
    return "" if value is None else f"`{_number(value)}`"


def _body(operation: Operation) -> list[str]:
    if "requestBody" not in operation.content:
        return []
    shown = operation.content["requestBody"]["content"]["application/json"]
    return [
        "## Body",
        "",
        "`application/json`:",
        "",
        *table("member | type | what", members(shown["schema"], operation)),
        "",
        *_fenced("json", _json(shown["example"])),
    ]


def _answers(operation: Operation) -> list[str]:
    lines = ["## Answers", ""]
    for status, response in operation.content["responses"].items():
        if status >= "4":
            continue
        lines += [f"### {status}", "", f"{response['description'].rstrip('.')}.", ""]
        rows = (
            (
                f"`{name}`",
                _code(operation.follow(header).get("example")),
                operation.follow(header)["description"],
            )
            for name, header in response.get("headers", {}).items()
        )
        lines += [*table("header | example | what", rows), ""]
        for media_type, shown in response.get("content", {}).items():
            lines += _answer(media_type, shown, operation)
    return lines


def _answer(media_type: str, shown: dict[str, Any], operation: Operation) -> list[str]:
    lines = [f"`{media_type}`", ""]
    for example in shown.get("examples", {}).values():
        value = example["value"]
        text = value if isinstance(value, str) else _json(value)
        lines += _fenced("console", f"$ {_curl(example['summary'], operation)}\n{text.rstrip()}")
    found = list(members(shown.get("schema", {}), operation))
    if found:
        lines += [*table("member | type | what", iter(found)), ""]
    return lines


def _curl(request: str, operation: Operation) -> str:
    method, path = request.split(" ", 1)
    words = ["curl", "-s"]
    if method != "GET":
        example = operation.content["requestBody"]["content"]["application/json"]["example"]
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(example)]
    elif "stream" in path:
        words = ["curl", "-N"]
    return shlex.join([*words, f"localhost:8000{path}"])


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _fenced(language: str, text: str) -> list[str]:
    return [f"```{language}", text, "```", ""]


def _errors(operation: Operation) -> list[str]:
    rows = [
        _error(status, operation.follow(example))
        for status, response in operation.content["responses"].items()
        if status >= "4"
        for example in operation.follow(response)["content"][PROBLEM]["examples"].values()
    ]
    methods = "`GET`, `HEAD`" if operation.method == "GET" else f"`{operation.method}`"
    wrong = ("405", "`about:blank`", f"The method is none of {methods}.", "See `Allow`.")
    rows = sorted([*rows, wrong], key=lambda row: row[0])
    return ["## Errors", "", *table("status | type | when | what to do", iter(rows))]


def _error(status: str, example: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        status,
        f"`{example['value']['type']}`",
        example["summary"],
        example["description"],
    )


def index(found: list[Operation]) -> str:
    """Return the list of pages."""
    rows = (
        (f"[{each.title}]({each.file})", each.content["summary"], _scope_words(each))
        for each in found
    )
    lines = "\n".join(table("operation | what | scope", rows))
    return f"{MADE_BY}\n{INDEX.format(rows=lines)}"


def _scope_words(operation: Operation) -> str:
    return ", ".join(f"`{scope}`" for scope in operation.scopes()) or "none"


def errors(described: dict[str, Any]) -> str:
    """Return the page of all errors."""
    lines = [
        MADE_BY,
        "# Errors of the API",
        "",
        "Each is `application/problem+json`, with `X-Request-ID` and `Cache-Control: no-store`. Tell them apart by",
        "`type`; where that is `about:blank`, by `status`. `detail` is for people and may change.",
        "",
    ]
    for example in described["components"]["examples"].values():
        value = example["value"]
        name = value["type"].rpartition(":")[2]
        title = value["title"] if name == "blank" else f"`{name}`"
        lines += [
            f"## {value['status']} {title}",
            "",
            f"{example['summary']} **What to do:** {example['description']}",
            "",
            *_fenced("json", _json(value)),
        ]
    return "\n".join([*lines, "[All operations](README.md)", ""])


def render() -> dict[str, str]:
    """Return the pages by the names of their files."""
    described = description()
    found = operations(described)
    pages = {operation.file: page(operation) for operation in found}
    return {**pages, "README.md": index(found), "errors.md": errors(described)}


def main() -> int:
    """Write the pages, and remove those of operations that are gone; return the exit code."""
    FOLDER.mkdir(exist_ok=True)
    pages = render()
    for old in FOLDER.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"wrote {len(pages)} pages to docs/reference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
