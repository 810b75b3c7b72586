"""Base classes of the resource's models, and the error of a rule over several fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class _ResourceModel(BaseModel):
    """camelCase outside, immutable inside; a null is a field left out, as in Kubernetes."""

    # `hide_input_in_errors`: a manifest may hold a key in the wrong place, and errors are logged.
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        # The API server prunes nulls of fields that are not nullable before it applies defaults.
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class ClosedModel(_ResourceModel):
    """A model of what people write: unknown fields are refused as mistakes."""

    model_config = ConfigDict(extra="forbid")


class TolerantModel(_ResourceModel):
    """A model of what programs write: unknown fields are ignored."""

    # A newer release may run at the same time and write fields that this one does not have.

    model_config = ConfigDict(extra="ignore")


def broken_rule(problem: str, *, at: str = "", hint: str = "") -> PydanticCustomError:
    """Return the error of a rule that spans fields.

    Args:
        problem: what is wrong.
        at: the field of this object that is at fault; empty: the object itself.
        hint: what would be right.
    """
    context = {"problem": problem, "hint": hint} | ({"at": at} if at else {})
    return PydanticCustomError("rule", "{problem}", context)
