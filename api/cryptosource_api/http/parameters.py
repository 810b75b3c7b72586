"""Query parameters: one pydantic model a route, read strictly, shown in OpenAPI.

Read here and not by FastAPI, because an answer from the cache needs no parsing at all, and
because the answer to a misspelled parameter suggests the right name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, get_args
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryptosource_api.http.problems import InvalidRequest, Mistake

MAX_PARAMETERS = 40
MAX_TEXT_LENGTH = 256
WITHOUT_NUL = r"^[^\u0000]*$"
"""Postgres stores no text with a NUL character."""
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class _Form(NamedTuple):
    """How a value of a type is written in a URL."""

    written: re.Pattern[str]
    advice: str


_FORMS = {
    int: _Form(re.compile(r"-?\d{1,18}", re.ASCII), "write a whole number, such as 50"),
    Decimal: _Form(re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII), "write a number, such as 2.5"),
    UUID: _Form(_UUID, "write a UUID, as the API gives it"),
}
"""Python accepts more than these: 1_000, +5, 5e1, digits of other scripts, {braces} around a UUID."""


class Parameters(BaseModel):
    """Base of the models. Unknown names are refused; each name may be given once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    no_parameters_text: ClassVar[str] = "this route takes no parameters"
    out_of_place: ClassVar[Mapping[str, str]] = {}
    """Name -> what to do instead, for parameters that the route takes in another format only."""


Name = Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]
"""A text to filter by; None if it was not given."""
SourceFilter = Annotated[
    Name,
    Field(
        description="Only that source: a CryptoSource's name, or a type in lower case.",
        examples=["coingecko"],
    ),
]
NamespaceFilter = Annotated[
    Name, Field(description="Only sources of that namespace.", examples=["crypto"])
]


class NoParameters(Parameters):
    """For routes without any."""


P = TypeVar("P", bound=Parameters)


def read_parameters(model: type[P], query: bytes) -> P:
    """Return a query string as its model.

    Raises:
        InvalidRequest: naming every parameter that is unknown, repeated or wrong.
    """
    given, mistakes = _parse_pairs(query)
    known = list(model.model_fields)
    mistakes += [_describe_unknown(name, known, model) for name in given if name not in known]
    misspelt = {
        name: Mistake(parameter=name, detail=form.advice)
        for name, form in _forms(model).items()
        if name in given and not form.written.fullmatch(given[name])
    }
    mistakes += misspelt.values()
    try:
        parameters = model.model_validate(
            {name: value for name, value in given.items() if name in known}
        )
    except ValidationError as error:
        found = map(_describe_error, error.errors(include_url=False))
        mistakes += [each for each in found if each.parameter not in misspelt]
        raise InvalidRequest(*mistakes) from None
    if mistakes:
        raise InvalidRequest(*mistakes)
    return parameters


@cache
def _forms(model: type[Parameters]) -> dict[str, _Form]:
    """Return the form in a URL of each field whose type has one in `_FORMS`."""
    return {
        name: _FORMS[kind]
        for name, field in model.model_fields.items()
        for kind in (field.annotation, *get_args(field.annotation))
        if isinstance(kind, type) and kind in _FORMS
    }


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID in the one form that the API gives."""
    return _UUID.fullmatch(text) is not None


def _parse_pairs(query: bytes) -> tuple[dict[str, str], list[Mistake]]:
    ascii_alone = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], query).decode("ascii")
    try:
        pairs = parse_qsl(
            ascii_alone, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict"
        )
    except UnicodeDecodeError:
        detail = "write names and values in UTF-8, each byte beyond ASCII as %XX"
        raise InvalidRequest(Mistake(parameter="*", detail=detail)) from None
    except ValueError:
        detail = f"at most {MAX_PARAMETERS} parameters can be given"
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


def _describe_unknown(name: str, known: list[str], model: type[Parameters]) -> Mistake:
    if name in model.out_of_place:
        detail = model.out_of_place[name]
    elif not known:
        detail = Parameters.no_parameters_text
    else:
        close = difflib.get_close_matches(name.lower()[:100], known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        detail = f"unknown parameter; {hint}"
    return Mistake(parameter=name[:100], detail=detail)


def _describe_error(error: Any) -> Mistake:
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
            "schema": _url_schema(schema),
        }
        for name, schema in described["properties"].items()
    ]


def _url_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema as that of a text in a URL: never null, and a number is a number."""
    kept = {key: schema[key] for key in schema if key not in {"title", "description", "anyOf"}}
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    numbers = [each for each in kinds if each.get("type") == "number"]  # or a text, says pydantic
    kinds = numbers or kinds
    kept = {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}), **kept}
    if kept.get("type") == "string" and not kept.keys() & {"enum", "format", "pattern"}:
        kept["pattern"] = WITHOUT_NUL
    if kept.get("default", "") is None:
        del kept["default"]
    if kept.get("type") == "number" and "default" in kept:
        kept["default"] = float(kept["default"])
    return kept
