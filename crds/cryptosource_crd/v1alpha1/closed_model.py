"""How every model of the resource reads its input."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class _ResourceModel(BaseModel):
    """camelCase outside, immutable inside; a null is a field left out, as in Kubernetes."""

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
    """What a person writes: an unknown field is a mistake and is refused."""

    model_config = ConfigDict(extra="forbid")


class TolerantModel(_ResourceModel):
    """What a machine writes: fields of a newer release are passed over, so that both can run."""

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
