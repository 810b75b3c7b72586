"""The fields of the models by their paths in a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cryptosource_crd.v1alpha1.resource import CryptoSource


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
