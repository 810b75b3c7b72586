"""Records of a vendor that answers with JSON arrays of objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptosource_etl.records import Quote, RawRecord, Rejection, digest_of
from cryptosource_etl.sources.json_records import Element, NotANumber, exact_json, shape_of
from cryptosource_etl.sources.observations import VendorFields
from cryptosource_etl.sources.symbols import clean_id
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
