"""Conversion of pydantic's JSON schema to the structural schema that a CRD requires.

Structural means: every field has one type, there are no references and no nullable unions, and open
values are marked (`x-kubernetes-preserve-unknown-fields`). See kubernetes.io/docs, "Specifying a
structural schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)
"""Keywords with the same meaning in both. `propertyNames` has none: the operator checks it."""

OPEN: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""Any JSON."""

# Satisfied by no string: a structural schema has no other way to forbid a field.
IMPOSSIBLE_TEXT: Schema = {"minLength": 1, "maxLength": 0}

# An API server reads bounds as float64: larger integers lose digits and are left out.
MAX_SAFE = 2**53


def structural(model: type[BaseModel], *, defaults: bool) -> Schema:
    """Return a model's structural schema.

    Args:
        model: one of `cryptosource_crd.v1alpha1`.
        defaults: whether the API server writes the model's defaults into what it stores.
    """
    document = model.model_json_schema(by_alias=True)
    return _Converter(document.get("$defs", {}), defaults=defaults).convert(document)


class _Converter:
    def __init__(self, definitions: Mapping[str, Schema], *, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def convert(self, schema: Schema) -> Schema:
        """Return a schema as a structural one, references replaced."""
        schema = self._resolve(schema)
        if "anyOf" in schema:
            return self._text_or_object(schema)
        result = {key: schema[key] for key in KEPT if key in schema}
        if "description" in result:
            result["description"] = " ".join(result["description"].split())
        if "const" in schema:
            result["enum"] = [schema["const"]]
        if abs(result.get("maximum", 0)) > MAX_SAFE:
            del result["maximum"]
        self._add_children(schema, result)
        self._add_default(schema, result)
        return result if "type" in result else result | OPEN

    def _resolve(self, schema: Schema) -> Schema:
        """Follow references and remove null from unions; outer keywords win."""
        while "$ref" in schema or "anyOf" in schema:
            outer = {key: value for key, value in schema.items() if key not in {"$ref", "anyOf"}}
            if "$ref" in schema:
                inner = self._definitions[schema["$ref"].rpartition("/")[2]]
            else:
                members = [member for member in schema["anyOf"] if member != {"type": "null"}]
                if len(members) > 1:
                    return schema
                inner = members[0]
            schema = inner | outer
        return schema

    def _add_children(self, schema: Schema, result: Schema) -> None:
        if "properties" in schema:
            children = schema["properties"].items()
            result["properties"] = {name: self.convert(child) for name, child in children}
        if "items" in schema:
            result["items"] = self.convert(schema["items"])
        # pydantic puts the pattern of a map's keys here; a structural schema has no place for it.
        patterned = schema.get("patternProperties", {}).values()
        values = next(iter(patterned), schema.get("additionalProperties"))
        if isinstance(values, dict):
            inner = self.convert(values)
            result |= OPEN if inner == OPEN else {"additionalProperties": inner}

    def _add_default(self, schema: Schema, result: Schema) -> None:
        default = _drop_empty(schema.get("default"))
        # A default mapping of columns, once stored, would look like one that the manifest gives,
        # and those must be in the file's header.
        children = result.get("properties", {}).values()
        is_mapping = any("type" not in child for child in children)
        if self._defaults and default not in (None, {}) and not is_mapping:
            result["default"] = default

    def _text_or_object(self, schema: Schema) -> Schema:
        """Return the schema of a field that is a string or an object."""
        # A structural schema has one type per field or none. Without a type each keyword applies to
        # values of its own kind alone: the bounds of length to the string, `properties` and
        # `required` to the object; numbers and lists are refused by bounds that none can meet.
        text, as_object = (self._resolve(member) for member in schema["anyOf"])
        result = self.convert(as_object)
        del result["type"]
        result.pop("default", None)
        for child in result["properties"].values():
            child.pop("default", None)
        if "description" in schema:
            result["description"] = " ".join(schema["description"].split())
        return (
            result
            | {"minLength": text["minLength"], "maxLength": text["maxLength"]}
            | {"minimum": 1, "maximum": 0, "minItems": 1, "maxItems": 0}
            | {"anyOf": [_only("column", without="value"), _only("value", without="column")]}
            | OPEN
        )


def _only(name: str, *, without: str) -> Schema:
    return {"required": [name], "properties": {without: dict(IMPOSSIBLE_TEXT)}}


def _drop_empty(value: Any) -> Any:
    """Return a default without nulls and empty objects."""
    if isinstance(value, dict):
        filled = {key: _drop_empty(item) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item not in (None, {})}
    return value
