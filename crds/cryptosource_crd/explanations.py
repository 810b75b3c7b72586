"""Explanations of an invalid manifest: one line per problem, with what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cryptosource_crd.documents import Document, DocumentError
from cryptosource_crd.schedule import known_time_zones
from cryptosource_crd.urls import looks_like_key
from cryptosource_crd.v1alpha1.bounded_strings import DNS_LABEL, DNS_SUBDOMAIN
from cryptosource_crd.v1alpha1.resource import CryptoSource

Path = tuple[str | int, ...]

_FORMS = {
    DNS_LABEL: "lower-case letters, digits and '-', a letter or digit first and last",
    DNS_SUBDOMAIN: "lower-case letters, digits, '-' and '.', a letter or digit first and last",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a file."""

    file: str
    document: int
    """Counted from 1."""
    path: str
    """Such as `spec.csv.columns.priceUsd`; empty for the document as a whole."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What would be right."""
    line: int | None = None
    """Counted from 1."""

    def __str__(self) -> str:
        """Return the problem as one line: `file:line: path: message; hint`."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [where, self.path, self.message] if self.path else [where, self.message]
        return ": ".join(parts) + (f"; {self.hint}" if self.hint else "")


def parse_source(document: Document, *, file: str) -> CryptoSource | list[Problem]:
    """Return the resource that a document holds, or its problems.

    Args:
        document: a document whose kind is CryptoSource.
        file: the file's name, for the problems.
    """
    try:
        return CryptoSource.model_validate(document.value)
    except ValidationError as error:
        return explain(error, document=document, file=file)


def explain(error: ValidationError, *, document: Document, file: str) -> list[Problem]:
    """Return a problem for each error of a validation.

    Args:
        error: raised by `CryptoSource.model_validate(document.value)`.
        document: gives the lines.
        file: the file's name.
    """
    problems = [_problem(details, document, file) for details in error.errors(include_url=False)]
    return sorted(problems, key=lambda problem: problem.line or 0)


def explain_syntax(error: DocumentError, *, file: str) -> Problem:
    """Return the problem of a file that cannot be read as YAML."""
    return Problem(file, error.document, "", f"not readable: {error.message}", line=error.line)


def render_path(path: Sequence[str | int]) -> str:
    """Return a path in the usual notation: `spec.coinGecko.selection.ids[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def closest(word: str, choices: Sequence[str]) -> str | None:
    """Return the choice that `word` probably misspells; None when none is similar."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    if near:
        return by_lower[near[0]]
    # An abbreviation is too far from its word for difflib: `conc` of `concurrencyPolicy`.
    longer = [name for name in by_lower if len(word) > 2 and name.startswith(word.lower())]  # noqa: PLR2004
    return by_lower[longer[0]] if longer else None


def _problem(details: ErrorDetails, document: Document, file: str) -> Problem:
    context = details.get("ctx") or {}
    # pydantic marks an invalid key of a map by "[key]", which is not part of the path.
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    # The field that a rule over several fields found at fault (`closed_model.broken_rule`).
    if isinstance(context.get("at"), str):
        path = (*path, context["at"])
    message = details["msg"].removeprefix("Value error, ").replace("Input should", "must")
    hinted = _HINTS.get(details["type"], _describe_field)(path, details)
    override, hint = hinted if isinstance(hinted, tuple) else (None, hinted)
    return Problem(
        file,
        document.index,
        render_path(path),
        _one_line(override or message[:1].lower() + message[1:]),
        _one_line(context.get("hint") or hint),
        document.line_of(path),
    )


def _one_line(text: str) -> str:
    # A message may quote the manifest, which may hold control characters of a terminal.
    flat = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(flat.split())[:400]


Hint = str | tuple[str, str]
"""A hint alone, or a better message with it."""


def _describe_field(path: Path, details: ErrorDetails) -> Hint:
    if path[-1:] == ("timeZone",) and isinstance(details["input"], str):
        near = closest(details["input"], sorted(known_time_zones()))
        return f"did you mean {near}?" if near else "an IANA name such as Europe/Berlin"
    return description_of(path)


def _unknown_field(path: Path, _: ErrorDetails) -> Hint:
    name, known = str(path[-1]), names_at(path[:-1])
    near = closest(name, known)
    if near:
        return "unknown field", f"did you mean {near}?"
    place = first_paths().get(name)
    if place:
        return "unknown field", f"it belongs at {place}"
    if looks_like_key(name):
        return "unknown field", "put the key into a Secret and name that in spec.apiKeySecretRef"
    return "unknown field", f"known here: {', '.join(known)}"


def _missing(path: Path, _: ErrorDetails) -> Hint:
    return "is missing", description_of(path)


def _choice(path: Path, details: ErrorDetails) -> Hint:
    expected = str((details.get("ctx") or {}).get("expected", ""))
    choices = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]
    given = details["input"]
    near = closest(given, choices) if isinstance(given, str) else None
    return f"did you mean {near}?" if near else description_of(path)


def _text(path: Path, details: ErrorDetails) -> Hint:
    if isinstance(details["input"], dict | list):
        return "must be a string", description_of(path)
    # YAML reads `5` as a number and `no` as a boolean.
    kind = {bool: "true/false", int: "a number", float: "a number"}.get(type(details["input"]), "")
    return f"must be a string, YAML reads this as {kind}", "put it in quotes"


def _whole_number(path: Path, details: ErrorDetails) -> Hint:
    quoted = isinstance(details["input"], str) and details["input"].strip().isdigit()
    return "must be a whole number", "leave the quotes out" if quoted else description_of(path)


def _yes_or_no(_: Path, details: ErrorDetails) -> Hint:
    return "must be true or false", "leave the quotes out" if details["input"] else ""


def _object(path: Path, details: ErrorDetails) -> Hint:
    given, names = details["input"], names_at(path)
    if path[-1:] == ("selection",) and given == "all":
        return "must be an object", "write {all: true}"
    return "must be an object", f"with the fields {', '.join(names)}" if names else ""


def _form(path: Path, details: ErrorDetails) -> Hint:
    pattern: Any = (details.get("ctx") or {}).get("pattern")
    form = _FORMS.get(pattern) or description_of(path)
    return "has a form that is not allowed", form


_HINTS: dict[str, Callable[[Path, ErrorDetails], Hint]] = {
    "extra_forbidden": _unknown_field,
    "missing": _missing,
    "literal_error": _choice,
    "string_type": _text,
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "int_parsing": _whole_number,
    "bool_type": _yes_or_no,
    "model_type": _object,
    "model_attributes_type": _object,
    "dict_type": _object,
    "string_pattern_mismatch": _form,
}


def model_at(path: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model of the object at `path`; None if there is none."""
    model: type[BaseModel] | None = CryptoSource
    for part in path:
        info = None if model is None else _by_alias(model).get(str(part))
        model = None if info is None else _model_in(info.annotation)
    return model


def field_at(path: Sequence[str | int]) -> FieldInfo | None:
    """Return the field at `path`, by the names in a manifest; None for an unknown one."""
    parent = model_at(path[:-1]) if path else None
    return None if parent is None else _by_alias(parent).get(str(path[-1]))


def names_at(path: Sequence[str | int]) -> list[str]:
    """Return the names of the fields that the object at `path` may have."""
    model = model_at(path)
    return [] if model is None else list(_by_alias(model))


@lru_cache(maxsize=1)
def first_paths() -> dict[str, str]:
    """Return the path of each field of spec and metadata: name -> first path that ends in it."""
    found: dict[str, str] = {}
    for path in _paths(CryptoSource, ()):
        if path[0] in {"spec", "metadata"}:
            found.setdefault(path[-1], ".".join(path))
    return found


def description_of(path: Sequence[str | int]) -> str:
    """Return a field's documentation as one line; empty for an unknown field."""
    info = field_at(path)
    return "" if info is None else " ".join((info.description or "").split())


def _by_alias(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _paths(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    # A model's own fields come before those of its members, which makes the first path a short one.
    deeper = []
    for name, info in _by_alias(model).items():
        yield (*above, name)
        child = _model_in(info.annotation)
        if child is not None:
            deeper.append((child, (*above, name)))
    for child, path in deeper:
        yield from _paths(child, path)
