"""`python -m hack.openapi`: docs/openapi.json, the API's description as it is served with keys.

A change of the API thus shows in review. What a client may rely on is not taken away under the same
version: then this refuses to write, and names it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from cryptosource_api.app import create_app
from cryptosource_api.settings import ApiSettings

OUTPUT = Path(__file__).parents[1] / "docs" / "openapi.json"
NO_DATABASE = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
"""An engine connects when it is asked to, and the description asks for nothing."""


def description() -> dict[str, Any]:
    """Return what `/openapi.json` holds where keys are asked for."""
    engine = create_engine(NO_DATABASE)
    try:
        return create_app(ApiSettings(auth="keys"), engine).openapi()
    finally:
        engine.dispose()


def render() -> str:
    """Return the file's text."""
    return json.dumps(description(), indent=1, ensure_ascii=False) + "\n"


def losses(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a client could do, send or read by the old description and cannot by the new."""
    for path, operations in old["paths"].items():
        for method, before in operations.items():
            name = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield name
                continue
            yield from (f"{name}: {loss}" for loss in _lost_parameters(before, after))
            answers = _Answers(old, before), _Answers(new, after)
            yield from (f"{name}: {part} of its answer" for part in answers[0].lost(answers[1]))


def _lost_parameters(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    known, given = (
        {(each["in"], each["name"]): each for each in operation.get("parameters", ())}
        for operation in (before, after)
    )
    yield from (f"{where} parameter {name}" for where, name in known if (where, name) not in given)
    for (where, name), each in given.items():
        was_required = known.get((where, name), {}).get("required", False)
        if each.get("required") and not was_required:
            yield f"may be asked without {where} parameter {name}"


class _Answers:
    """Every place in an operation's good answers that a reader can name."""

    def __init__(self, document: Mapping[str, Any], operation: Mapping[str, Any]) -> None:
        self._document = document
        self._places = dict.fromkeys(
            f"{status} {media_type}{place}"
            for status, answer in operation["responses"].items()
            if status.startswith("2")
            for media_type, content in self._resolved(answer).get("content", {}).items()
            for place in ["", *self._properties(content.get("schema", {}), "", ())]
        )

    def lost(self, later: _Answers) -> Iterator[str]:
        """Yield the places that the later answers do not have."""
        return (place for place in self._places if place not in later._places)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def _properties(
        self, schema: Mapping[str, Any], at: str, above: tuple[str, ...]
    ) -> Iterator[str]:
        reference = schema.get("$ref", "")
        if reference in above:
            return  # a schema that holds itself
        above = (*above, reference) if reference else above
        schema = self._resolved(schema)
        for name, inner in schema.get("properties", {}).items():
            yield f"{at} {name}"
            yield from self._properties(inner, f"{at} {name} >", above)
        inside = [schema.get("items"), schema.get("additionalProperties")]
        for each in (*inside, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            if isinstance(each, dict):
                yield from self._properties(each, at, above)


def main() -> int:
    """Write it; return 1 when it takes something away under the version that had it."""
    old, new = json.loads(OUTPUT.read_text("utf-8")) if OUTPUT.exists() else None, description()
    if old is not None and old["info"]["version"] == new["info"]["version"]:
        lost = list(losses(old, new))
        if lost:
            print(f"version {new['info']['version']} has promised, so raise the version first:")
            print("\n".join(f"  {each}" for each in lost))
            return 1
    OUTPUT.write_text(render(), "utf-8")
    print(f"wrote {OUTPUT.relative_to(OUTPUT.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
