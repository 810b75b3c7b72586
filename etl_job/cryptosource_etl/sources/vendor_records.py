"""Records of a vendor that answers with JSON arrays of objects.

A vendor's module names its fields; `VendorFields` checks and converts them. It is total: whatever a
record holds, the result is a quote, or a rejection that names the invalid field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cryptosource_etl.records import Quote, RawRecord, Rejection, digest_of
from cryptosource_etl.sources.json_records import Element, NotANumber, exact_json, shape_of
from cryptosource_etl.sources.numbers import BadNumber, excerpt, json_number, rank_of
from cryptosource_etl.sources.symbols import BadText, clean_id, clean_name, clean_symbol
from cryptosource_etl.sources.times import FUTURE_TOLERANCE, BadTime, check_time, time_parser
from cryptosource_store.quote_fields import (
    FIGURES,
    UPSTREAM_FIELDS,
    FieldKind,
)
from cryptosource_store.reasons import RejectReason


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The rules by which a vendor's records are read."""

    version: str
    """Changes whenever a record would be normalized differently."""
    fields: Mapping[str, str]
    """Field of a quote -> the vendor's name of it; see `VendorFields`."""
    nested: tuple[str, ...] = ()
    """Fields whose own fields belong to the shape."""


def _external_id(value: Any) -> str | None:
    """Return the record's id, cleaned as `normalize` does; None if `normalize` would reject it."""
    # Cleaned here already: a NUL or a megabyte of text must not reach cursors and look-ups either.
    identifier = value.get("id") if isinstance(value, dict) else None
    cleaned = None if isinstance(identifier, NotANumber) else clean_id(identifier)
    return cleaned if isinstance(cleaned, str) else None


def record_of(element: Element) -> RawRecord:
    """Return the raw record of one element of a vendor's answer."""
    digest = digest_of(element.text.encode("utf-8", errors="surrogateescape"))
    return RawRecord(_external_id(element.value), digest, element)


def records_of(elements: Iterable[Element]) -> list[RawRecord]:
    """Return the raw records of an answer, in its order."""
    return [record_of(element) for element in elements]


class VendorRecords:
    """The pure part of a vendor's `SourceReader`: everything but fetching."""

    uniform = False

    def __init__(self, contract: Contract) -> None:
        self._fields = VendorFields(contract.fields)
        self._nested = contract.nested
        self.contract_version = contract.version

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Return the quote of one record or its rejection; raises nothing for any record."""
        value = record.value.value
        if not isinstance(value, dict):
            detail = "the record is not a JSON object that can be read"
            return Rejection(RejectReason.NOT_AN_OBJECT, None, detail)
        return self._fields.observe(value, received_at=received_at)

    def payload(self, record: RawRecord) -> str:
        """Return the record's text as received."""
        element: Element = record.value
        return element.text

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload, which is JSON text as Postgres prints it."""
        return record_of(Element(payload, exact_json(payload)))

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return field -> JSON type of the record."""
        return shape_of(record.value.value, nested=self._nested)


_read_time = time_parser("iso8601")


_NamedValue = tuple[str, Any]
"""The vendor's name of a field, for rejections, and its value."""
# The key of a field that a vendor does not have: no JSON object has it.
_NO_MEMBER: Any = object()
_FIGURES = tuple(
    (field.name, field.kind is FieldKind.PERCENT, field.zero_is_unknown) for field in FIGURES
)
"""Name, whether it may be negative, whether 0 means unknown."""


# An exception, because each field may end the conversion; it never leaves this module.
class _RecordRejected(Exception):
    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection


def _text(found: _NamedValue, result: str | BadText | None) -> str | None:
    name, value = found
    # A NotANumber is a str too, and `result` may be a clean text made of it.
    if isinstance(value, NotANumber):
        raise _RecordRejected(_reject_number(name, value))
    if isinstance(result, BadText):
        raise _RecordRejected(Rejection(result.reason, name, result.detail))
    return result


def _number(found: _NamedValue, *, signed: bool = False) -> Decimal | None:
    name, value = found
    if isinstance(value, NotANumber):
        raise _RecordRejected(_reject_number(name, value))
    number = json_number(value, signed=signed)
    if isinstance(number, BadNumber):
        raise _RecordRejected(Rejection(number.reason, name, number.detail))
    return number


def _reject_number(field: str, value: NotANumber) -> Rejection:
    digits = any(character.isdigit() for character in value)
    reason = RejectReason.OUT_OF_RANGE if digits else RejectReason.NOT_FINITE
    return Rejection(reason, field, f"{excerpt(str(value))} cannot be stored as a number")


def _rank(found: _NamedValue) -> int | None:
    number = _number(found)
    rank = rank_of(number or None)
    if isinstance(rank, BadNumber):
        raise _RecordRejected(Rejection(rank.reason, found[0], rank.detail))
    return rank


def _observed_at(found: _NamedValue, received_at: datetime) -> tuple[datetime, bool]:
    name, value = found
    if value is None or value == "":
        return received_at, True
    if not isinstance(value, str):
        detail = f"a {type(value).__name__} where a time was expected"
        raise _RecordRejected(Rejection(RejectReason.INVALID_TIME, name, detail))
    moment = _read_time(value)
    if moment is None:
        return received_at, True
    bad = (
        moment
        if isinstance(moment, BadTime)
        else check_time(moment, latest=received_at + FUTURE_TOLERANCE)
    )
    if bad is not None:
        raise _RecordRejected(Rejection(bad.reason, name, bad.detail))
    assert isinstance(moment, datetime)  # noqa: S101 - a BadTime has been refused above
    return moment, False


class VendorFields:
    """The fields of a quote in a vendor's records.

    Args:
        names: field of a quote -> the vendor's name of it, with dots between the names of nested
            objects (`quotes.USD.price`). A field that is left out is unknown for every coin.

    Raises:
        ValueError: a quote has no such field, or nothing names the vendor's id.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        strange = sorted(names.keys() - set(UPSTREAM_FIELDS))
        if strange:
            known = ", ".join(UPSTREAM_FIELDS)
            raise ValueError(f"no upstream gives {', '.join(strange)} of a quote, only {known}")
        if "external_id" not in names:
            raise ValueError("external_id must be mapped: nothing else says which coin it is")
        absent: tuple[str, Sequence[str], str] = ("", (), _NO_MEMBER)
        self._paths = dict.fromkeys(UPSTREAM_FIELDS, absent)
        for field, name in names.items():
            *objects, member = name.split(".")
            self._paths[field] = (name, objects, member)

    def observe(self, record: Mapping[str, Any], *, received_at: datetime) -> Quote | Rejection:
        """Return the observation of a record, or its rejection.

        Args:
            record: the vendor's object.
            received_at: replaces a missing time, and limits times in the future.
        """
        try:
            return self._quote(record, received_at)
        except _RecordRejected as refused:
            return refused.rejection

    def _find(self, record: Mapping[str, Any], field: str) -> _NamedValue:
        name, objects, member = self._paths[field]
        for each in objects:
            inner = record.get(each)
            if not isinstance(inner, dict):
                return name, None
            record = inner
        return name, record.get(member)

    def _quote(self, record: Mapping[str, Any], received_at: datetime) -> Quote:
        identifier = self._find(record, "external_id")
        external_id = _text(identifier, clean_id(identifier[1]))
        if external_id is None:
            detail = "the record has no id"
            raise _RecordRejected(Rejection(RejectReason.MISSING_ID, identifier[0], detail))
        symbol, name = self._find(record, "symbol"), self._find(record, "name")
        observed_at, inferred = _observed_at(self._find(record, "observed_at"), received_at)
        return Quote(
            external_id,
            _text(symbol, clean_symbol(symbol[1])),
            _text(name, clean_name(name[1])),
            _rank(self._find(record, "rank")),
            observed_at,
            inferred,
            *[
                (number or None) if zero_is_unknown else number
                for field, signed, zero_is_unknown in _FIGURES
                for number in (_number(self._find(record, field), signed=signed),)
            ],
        )
