"""Query parameters: one pydantic model a route, read strictly, shown in OpenAPI.

Read here and not by FastAPI, because an answer from the cache needs no parsing at all, and
because a misspelled parameter should be told its right name.
"""

from __future__ import annotations

import difflib
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError

from cryptosource_api.problems import InvalidRequest, Mistake

MOST_PARAMETERS = 40


class Parameters(BaseModel):
    """Base of the models. Unknown names are refused; each name may be given once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    no_parameters_text: ClassVar[str] = "this route takes no parameters"


class NoParameters(Parameters):
    """For routes without any."""


P = TypeVar("P", bound=Parameters)


def read_parameters(model: type[P], query: bytes) -> P:
    """Return a query string as its model.

    Raises:
        InvalidRequest: naming every parameter that is unknown, repeated or wrong.
    """
    given, mistakes = _pairs(query)
    known = list(model.model_fields)
    mistakes += [_unknown(name, known) for name in given if name not in known]
    try:
        parameters = model.model_validate(
            {name: value for name, value in given.items() if name in known}
        )
    except ValidationError as error:
        mistakes += [_mistake(each) for each in error.errors(include_url=False)]
        raise InvalidRequest(*mistakes) from None
    if mistakes:
        raise InvalidRequest(*mistakes)
    return parameters


def _pairs(query: bytes) -> tuple[dict[str, str], list[Mistake]]:
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        detail = f"at most {MOST_PARAMETERS} parameters can be given"
        raise InvalidRequest(Mistake(parameter="*", detail=detail)) from None
    given: dict[str, str] = {}
    mistakes = []
    for name, value in pairs:
        if name in given:
            mistakes.append(Mistake(parameter=name[:100], detail="give it once"))
        elif "\x00" in value:
            mistakes.append(Mistake(parameter=name[:100], detail="holds a NUL character"))
        given[name] = value
    return given, mistakes


def _unknown(name: str, known: list[str]) -> Mistake:
    if not known:
        detail = Parameters.no_parameters_text
    else:
        close = difflib.get_close_matches(name.lower()[:100], known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        detail = f"unknown parameter; {hint}"
    return Mistake(parameter=name[:100], detail=detail)


def _mistake(error: Any) -> Mistake:
    name = ".".join(str(part) for part in error["loc"]) or "*"
    return Mistake(parameter=name, detail=str(error["msg"]).removeprefix("Value error, "))


def openapi_parameters(model: type[Parameters]) -> list[dict[str, Any]]:
    """Return the model as OpenAPI query parameters."""
    described = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": schema.get("description", ""),
            "schema": _as_written(schema),
        }
        for name, schema in described["properties"].items()
    ]


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema as that of a text in a URL: never null, and a number is a number."""
    kept = {key: schema[key] for key in schema if key not in {"title", "description", "anyOf"}}
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    kept = {**next(iter(kinds), {}), **kept}
    if kept.get("default", "") is None:
        del kept["default"]
    if kept.get("type") == "number" and "default" in kept:
        kept["default"] = float(kept["default"])
    return kept
