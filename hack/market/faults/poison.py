"""Faults of single records: what no ticker should hold, and some did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hack.market.answers import Answer
from hack.market.book import Record
from hack.market.faults.fault import Fault
from hack.market.http1 import Request
from hack.market.jsontext import Fragment, Raw, put, render, text_of

if TYPE_CHECKING:
    from hack.market.state import Market

FIELDS: Mapping[str, tuple[str, Raw | None]] = {
    "nan": ("price", Raw("NaN")),
    "nan_text": ("price", Raw('"NaN"')),
    "infinity": ("price", Raw("-Infinity")),
    "huge_exponent": ("price", Raw("1e400")),
    "absurd_exponent": ("price", Raw("1e999999999")),
    "digits": ("price", Raw("9" * 5000)),
    "negative": ("price", Raw("-1")),
    "number_as_text": ("price", Raw('"12.50"')),
    "empty_text": ("price", Raw('""')),
    "empty_object": ("price", Raw("{}")),
    "boolean": ("price", Raw("true")),
    "null": ("price", Raw("null")),
    "missing": ("price", None),
    "nul": ("name", Raw('"a\\u0000b"')),
    "raw_nul": ("name", Raw('"a\x00b"')),
    "lone_surrogate": ("name", Raw('"\\ud800"')),
    "bad_utf8": ("name", Raw('"\udcff\udcfe"')),
    "right_to_left": ("name", Raw('"\u202egnp.exe"')),
    "long_name": ("name", Raw('"' + "x" * 1_000_000 + '"')),
    "deep": ("extra", Raw("[" * 100_000 + "]" * 100_000)),
    "missing_id": ("id", None),
    "null_id": ("id", Raw("null")),
    "number_id": ("id", Raw("7")),
    "bad_time": ("last_updated", Raw('"yesterday"')),
    "null_time": ("last_updated", Raw("null")),
}
"""Kind of poison -> the field it is in (by alias or path) and its text; None leaves it out."""


def _doubled(fragment: Fragment) -> Raw:
    return Raw(render(fragment)[:-1] + ',"symbol":"TWICE","symbol":"THRICE"}')


WHOLE: Mapping[str, Callable[[Fragment], Raw]] = {
    "duplicate_keys": _doubled,
    "not_an_object": lambda _: Raw("42"),
    "null_record": lambda _: Raw("null"),
    "list_record": lambda _: Raw("[]"),
    "empty_record": lambda _: Raw("{}"),
    "broken_json": lambda fragment: Raw(render(fragment)[:-1]),
}
"""Kind of poison -> what a whole record becomes."""


@dataclass(frozen=True, kw_only=True)
class Poison(Fault):
    """Some records of the answer are bad: a known `what`, or any `field` with any `value`."""

    changes_content: ClassVar[bool] = True
    what: str | None = None
    """A name in `FIELDS` or `WHOLE`; None when `field` is given."""
    field: str | None = None
    """Alias or dotted path; with `what`, in place of the usual field."""
    value: Any = None
    record: int = 0
    """The first bad record of the answer, counted from 0."""
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse poison that does not exist."""
        known = {*FIELDS, *WHOLE}
        if self.what is None and self.field is None:
            raise ValueError("poison needs `what` or `field`")
        if self.what is not None and self.what not in known:
            raise ValueError(f"no poison {self.what!r}; there are {', '.join(sorted(known))}")

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Spoil the records as they pass."""
        if answer.records is None:
            return
        aliases = market.aliases(request.vendor)
        answer.records = self._spoilt(answer.records, aliases)

    def _spoilt(self, records: Iterator[Record], aliases: Mapping[str, str]) -> Iterator[Record]:
        for number, record in enumerate(records):
            bad = self.record <= number < self.record + self.count
            yield Record(record.id, self._bad(record.fragment, aliases)) if bad else record

    def _bad(self, fragment: Fragment | Raw, aliases: Mapping[str, str]) -> Fragment | Raw:
        if isinstance(fragment, str):
            return fragment
        if self.what is not None and self.what in WHOLE:
            return WHOLE[self.what](fragment)
        field, value = FIELDS[self.what] if self.what else ("", text_of(self.value))
        field = self.field or field
        put(fragment, aliases.get(field, field), value)
        return fragment
