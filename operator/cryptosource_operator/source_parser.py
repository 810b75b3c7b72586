"""The parser of stored resources: a source that can be planned, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from cryptosource_crd.explanations import render_path
from cryptosource_crd.quota import warnings
from cryptosource_crd.v1alpha1 import API_VERSION, KIND, CryptoSource

MAX_MESSAGE_LENGTH = 256
"""Characters of a condition's message: all conditions share `STATUS_BYTES`."""

_SUBSTITUTES = {"schedule": "0 0 * * *", "timeZone": "Etc/UTC"}
_READ_METADATA = ("name", "namespace", "uid", "generation")


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A source that can be planned."""

    source: CryptoSource
    schedule_problem: str = ""
    """What this parser finds wrong with the schedule or the time zone; empty: nothing."""

    @cached_property
    def quota_warnings(self) -> str:
        """Return why its schedule does not fit its plan; empty when it fits."""
        return "" if self.schedule_problem else "; ".join(warnings(self.source))


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A spec that passes the schema and is invalid all the same."""

    message: str


def read_source(body: Mapping[str, Any]) -> Readable | Unreadable:
    """Parse a stored resource.

    Args:
        body: the object as stored; its status is not read.
    """
    spec = dict(body.get("spec") or {})
    try:
        return Readable(source=_parse(body, spec))
    except ValidationError as error:
        problems = _problems(error)
    # The CronJob controller has the last word on schedules and time zones, because it follows them: one
    # that only this parser refuses is planned as it is, and the rest is parsed with a substitute.
    replaceable = {name: spec[name] for name in _SUBSTITUTES if isinstance(spec.get(name), str)}
    if any(path not in {("spec", name) for name in replaceable} for path in problems):
        return Unreadable(message=_join_problems(problems))
    source = _parse(body, spec | {name: _SUBSTITUTES[name] for name in replaceable})
    given = {"schedule": spec["schedule"], "time_zone": spec.get("timeZone", "Etc/UTC")}
    source = source.model_copy(update={"spec": source.spec.model_copy(update=given)})
    return Readable(source=source, schedule_problem=_join_problems(problems))


def _parse(body: Mapping[str, Any], spec: Mapping[str, Any]) -> CryptoSource:
    metadata = {name: body["metadata"][name] for name in _READ_METADATA if name in body["metadata"]}
    return CryptoSource.model_validate(
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    )


def _problems(error: ValidationError) -> dict[tuple[str | int, ...], str]:
    found = {}
    for details in error.errors(include_url=False, include_input=False):
        at = (details.get("ctx") or {}).get("at")
        path = (*details["loc"], at) if isinstance(at, str) else details["loc"]
        found[path] = details["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return found


def _join_problems(problems: Mapping[tuple[str | int, ...], str]) -> str:
    parts = [f"{render_path(path)}: {message}" for path, message in problems.items()]
    return shorten("; ".join(parts))


def shorten(text: str, limit: int = MAX_MESSAGE_LENGTH) -> str:
    """Return a text as one line of at most `limit` characters."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
