"""`python -m hack.example_answers`: what the API's answers have gained since they were recorded.

A member that the models require by now is null in the recorded answers, a column of an export is
empty: what was recorded then did not know it. All else stays as it was recorded.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.openapi import description

from cryptosource_store.statements.exports import RECORD_COLUMNS

ANSWERS = Path(__file__).parents[1] / "api" / "cryptosource_api" / "openapi" / "answers"
JSON = "application/json"
DATA = "data: "
COLUMNS = tuple(column.name for column in RECORD_COLUMNS)


def with_gaps_filled(known: Mapping[str, Any], wanted: Sequence[str], gap: Any) -> dict[str, Any]:
    """Return a mapping with what it lacks, each behind the one before it in `wanted`."""
    names = list(known)
    for before, name in zip(("", *wanted), wanted, strict=False):
        if name not in known:
            names.insert(names.index(before) + 1 if before else 0, name)
    return {name: known.get(name, gap) for name in names}


class Completion:
    """Completes answers by the schemas of a description."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._schemas = described["components"]["schemas"]
        self._operations = {
            operation["operationId"]: operation
            for operations in described["paths"].values()
            for operation in operations.values()
        }

    def answer(self, operation: str, case: Mapping[str, Any]) -> Any:
        """Return the answer of a recorded case with all that it must have by now."""
        media_type, answer = case.get("media_type", JSON), case["answer"]
        if media_type == JSON:
            responses = self._operations[operation]["responses"]
            status = next(each for each in responses if each.startswith("2"))
            return self.value(responses[status]["content"][JSON]["schema"], answer)
        forms: dict[str, Callable[[str], str]] = {
            "text/csv": _table,
            "text/event-stream": self._events,
        }
        return forms[media_type](answer) if media_type in forms else answer

    def value(self, schema: Mapping[str, Any], value: Any) -> Any:
        """Return a value with the members that its schema requires."""
        schema = self._fitting(schema, value)
        if isinstance(value, list):
            return [self.value(schema.get("items", {}), each) for each in value]
        if not isinstance(value, dict) or "properties" not in schema:
            return value
        parts = schema["properties"]
        required = [name for name in parts if name in value or name in schema.get("required", ())]
        whole = with_gaps_filled(value, required, None)
        return {name: self.value(parts.get(name, {}), each) for name, each in whole.items()}

    def _fitting(self, schema: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
        """Return the schema itself, or the one of several that knows most of the value."""

        def known(option: Mapping[str, Any]) -> int:
            return len(option.get("properties", {}).keys() & set(value))

        options = list(self._options(schema))
        return max(options, key=known) if isinstance(value, dict) else options[0]

    def _options(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if "$ref" in schema:
            yield from self._options(self._schemas[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema:
            for each in schema["anyOf"]:
                yield from self._options(each)
        else:
            yield schema

    def _events(self, stream: str) -> str:
        return "\n".join(
            DATA + json.dumps(self._event(json.loads(line.removeprefix(DATA))))
            if line.startswith(DATA)
            else line
            for line in stream.split("\n")
        )

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event whose records are complete; what it says of runs stays as it is."""
        told = event.get("data", ())
        if not told or any("asset_id" not in each for each in told):
            return event
        records = {"items": {"$ref": "#/components/schemas/Record"}}
        return event | {"data": self.value(records, told)}


def _table(text: str) -> str:
    """Return the CSV of records with a column for each field."""
    rows = [with_gaps_filled(row, COLUMNS, "") for row in csv.DictReader(io.StringIO(text))]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def main() -> None:
    """Write the recorded answers that lack something anew."""
    completion = Completion(description())
    for path in sorted(ANSWERS.glob("*.json")):
        cases = json.loads(path.read_text("utf-8"))
        whole = [case | {"answer": completion.answer(path.stem, case)} for case in cases]
        if whole != cases:
            path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", "utf-8")
            print(f"wrote {path.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
