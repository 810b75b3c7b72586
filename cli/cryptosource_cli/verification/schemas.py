"""Comparing values with schemas of OpenAPI: types, members and alternatives. Pure.

It is no full validator: bounds and patterns are checked by the service's own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# A schema may refer to itself, and the document comes from the deployment.
MAX_DEPTH = 30
MAX_ITEMS = 20
"""Items of a list that are compared."""

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: (
        isinstance(value, int | Decimal | float) and not isinstance(value, bool)
    ),
}


def mismatch(value: Any, schema: Any, document: Mapping[str, Any]) -> str | None:
    """Return the first difference between a value and its schema; None if there is none.

    Args:
        value: parsed JSON.
        schema: an OpenAPI 3.1 schema.
        document: the OpenAPI document, in which references are resolved.
    """
    return next(_SchemaComparison(document).mismatches(value, schema, path="", depth=0), None)


@dataclass(frozen=True, slots=True)
class _SchemaComparison:
    document: Mapping[str, Any]

    def mismatches(self, value: Any, schema: Any, *, path: str, depth: int) -> Iterator[str]:
        """Yield the differences, the most general first."""
        schema = self._resolve(schema)
        if depth > MAX_DEPTH or not isinstance(schema, Mapping):
            return
        yield from _own_mismatches(value, schema, path or "the answer")
        for word in ("anyOf", "oneOf"):
            if word in schema:
                differences = [
                    next(self.mismatches(value, each, path=path, depth=depth + 1), None)
                    for each in schema[word]
                ]
                if None not in differences:
                    yield str(differences[0])
        for below, inner, part in self._parts(value, schema, path):
            yield from self.mismatches(inner, part, path=below, depth=depth + 1)

    def _resolve(self, schema: Any) -> Any:
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                return schema
            target: Any = self.document
            for part in str(schema["$ref"]).removeprefix("#/").split("/"):
                target = target.get(part, {}) if isinstance(target, Mapping) else {}
            schema = target
        return {}

    def _parts(
        self, value: Any, schema: Mapping[str, Any], path: str
    ) -> Iterator[tuple[str, Any, Any]]:
        for part in schema.get("allOf", ()):
            yield path, value, part
        if isinstance(value, dict):
            for name, part in schema.get("properties", {}).items():
                if name in value:
                    yield f"{path}.{name}".lstrip("."), value[name], part
        if isinstance(value, list):
            for number, item in enumerate(value[:MAX_ITEMS]):
                yield f"{path}[{number}]", item, schema.get("items")


def _own_mismatches(value: Any, schema: Mapping[str, Any], here: str) -> Iterator[str]:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds if kind in _TYPES):
        yield f"{here} is no {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{here} is {value!r:.40}, none of those declared"
    if "const" in schema and value != schema["const"]:
        yield f"{here} is {value!r:.40} and not {schema['const']!r}"
    if isinstance(value, dict):
        yield from (
            f"{here}.{name} is missing" for name in schema.get("required", ()) if name not in value
        )
